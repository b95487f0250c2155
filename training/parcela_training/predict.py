"""Whole label maps from a network in training, by the same fast paths as its training steps."""

from __future__ import annotations

import numpy as np
import torch
from monai.networks.nets import HighResNet, UNet
from numpy.typing import NDArray
from torch import Tensor, nn

from parcela_inference.networks import CLASSES, crop_from_network
from parcela_training.highresnet_step import OFFSETS, SubLattice, deepen, shallow
from parcela_training.unet_step import statistics, top_block, trunk

SLAB = 8


@torch.no_grad()
def predict(network: nn.Module, image: Tensor) -> NDArray[np.uint8]:
    """The label map (91, 122, 123) of one padded image (1, 1, 96, 128, 128), in bf16."""
    with torch.autocast("cpu", torch.bfloat16):
        if isinstance(network, UNet):
            labels = _predict_unet(network, image)
        elif isinstance(network, HighResNet):
            labels = _predict_highresnet(network, image)
        else:
            raise TypeError(f"there is no fast path for a {type(network).__name__}")
    return np.ascontiguousarray(crop_from_network(labels).numpy())


def _predict_unet(unet: UNet, image: Tensor) -> Tensor:
    features = trunk(unet, image)
    moments = statistics(unet, features)
    depth, height, width = image.shape[-3:]
    slabs = [
        top_block(unet, features, moments, [(start, 0, 0)], (SLAB, height, width))
        for start in range(0, depth, SLAB)
    ]
    return torch.cat([slab[0].argmax(dim=0).to(torch.uint8) for slab in slabs])


def _predict_highresnet(network: HighResNet, image: Tensor) -> Tensor:
    labels = torch.zeros(image.shape[-3:], dtype=torch.uint8)
    hidden = shallow(network, image)
    for outer in OFFSETS:
        lattice = SubLattice(outer, OFFSETS)
        scores = deepen(network, hidden, lattice)
        lattice.put(labels, scores.argmax(dim=1).to(torch.uint8))
    return labels


def dice_per_region(predicted: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Dice of the 117 classes, background first; NaN for a class that the truth lacks."""
    pairs = truth.astype(np.int64).ravel() * CLASSES + predicted.ravel()
    counts = np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    in_truth, in_predicted = counts.sum(axis=1), counts.sum(axis=0)
    dice = 2 * counts.diagonal() / np.maximum(in_truth + in_predicted, 1)
    return np.where(in_truth > 0, dice, np.nan)
