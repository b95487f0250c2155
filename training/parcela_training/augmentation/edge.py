"""The brain mask's edge, moved: no two skull-strippers agree on it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from parcela_training.augmentation.rng import Draws

BLOB_VOXELS = 10  # from one free point of the field to the next
FILL = (0.3, 1.0)  # of the mean of the brain nearby: what a mask that is too wide lets in


def move_edge(image: Tensor, draws: Draws, voxels: int) -> Tensor:
    """Erode and dilate the brain by smooth blobs at its edge, at most so far.

    Image (I, J, K), 0 outside the brain, as it is afterwards too. What is let in is made up: a
    blurred continuation of the brain. Labels stay what they were.
    """
    brain = (image > 0).to(image.dtype)
    share = _blurred(brain, voxels)
    wanted = share + _blobs(image, draws) > 0.5
    strength = draws.uniform(*FILL)
    around = _blurred(image, voxels) / share.clamp_min(1e-3) * strength
    return torch.where(brain > 0, image, around) * wanted


def _blobs(image: Tensor, draws: Draws) -> Tensor:
    """A smooth field within ±0.5: never enough to open the brain's middle."""
    points = [max(3, size // BLOB_VOXELS) for size in image.shape]
    coarse = (draws.normal(1, 1, *points) * draws.uniform(0.1, 0.35)).clamp(-0.49, 0.49)
    return functional.interpolate(coarse, tuple(image.shape), mode="trilinear")[0, 0]


def _blurred(volume: Tensor, voxels: int) -> Tensor:
    """The mean over a cube that reaches so many voxels to each side, axis by axis."""
    blurred = volume[None, None]
    for axis in range(3):
        size, reach = [1, 1, 1], [0, 0, 0]
        size[axis], reach[axis] = 2 * voxels + 1, voxels
        blurred = functional.avg_pool3d(blurred, size, stride=1, padding=reach)
    return blurred[0, 0]
