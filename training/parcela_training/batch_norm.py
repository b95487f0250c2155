"""Batch-norm statistics re-estimated for weights that training never ran with: an average's."""

from __future__ import annotations

import torch
from monai.networks.nets import HighResNet
from torch import nn

from parcela_training.highresnet_step import SubLattice, forward_on
from parcela_training.samples import Samples


@torch.no_grad()
def reestimate(network: HighResNet, samples: Samples, volumes: int, augmented: bool) -> None:
    """Replace the running statistics by their mean over so many training volumes.

    Deep layers see one stride-2 sub-lattice of each volume with two of its parts: a fair sample.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over what follows
    network.train()
    generator = torch.Generator().manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(volumes):
            sample = samples.draw(generator, augmented)
            forward_on(network, sample.image, SubLattice.draw(2, generator), deep=False)
    network.eval()
    for norm in norms:
        norm.momentum = 0.1
