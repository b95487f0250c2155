"""Batch-norm statistics re-estimated for weights that training never ran with: an average's."""

from __future__ import annotations

import torch
from monai.networks.nets import HighResNet
from torch import nn

from parcela_inference.sub_lattices import SubLattice, forward_on
from parcela_training.augmentation.augment import Augmentation
from parcela_training.training.samples import Samples

SEED = 1


@torch.no_grad()
def reestimate(
    network: HighResNet,
    samples: Samples,
    images: int,
    augmentation: Augmentation | None = None,
    mixed_precision: bool = True,
) -> None:
    """Replace the running statistics by their mean over so many training images; bf16 unless told otherwise.

    On a CPU the deep layers see one stride-2 sub-lattice of each image with two of its parts: a
    fair sample.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over what follows
    network.train()
    with torch.autocast(samples.device.type, torch.bfloat16, enabled=mixed_precision):
        for place in range(images):
            sample = samples.at(place, SEED, augmentation)
            if samples.device.type == "cpu":
                lattice = SubLattice.draw(2, sample.draws.generator)
                forward_on(network, sample.image, lattice, deep=False)
            else:
                network(sample.image)
    network.eval()
    for norm in norms:
        norm.momentum = 0.1
