"""Batch-norm statistics re-estimated for weights that training never ran with: an average's."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from monai.networks.nets import HighResNet
from torch import nn

from parcela_inference.sub_lattices import SubLattice, forward_on
from parcela_training.training.samples import Sample


@torch.no_grad()
def reestimate(
    network: HighResNet, samples: Iterable[Sample], mixed_precision: bool = True
) -> None:
    """Replace the running statistics by their mean over some training images; bf16 unless told otherwise.

    On a CPU the deep layers see one stride-2 sub-lattice of each image with two of its parts: a
    fair sample.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over what follows
    network.train()
    for sample in samples:
        device = sample.image.device.type
        with torch.autocast(device, torch.bfloat16, enabled=mixed_precision):
            if device == "cpu":
                lattice = SubLattice.draw(2, sample.draws.generator)
                forward_on(network, sample.image, lattice, deep=False)
            else:
                network(sample.image)
    network.eval()
    for norm in norms:
        norm.momentum = 0.1
