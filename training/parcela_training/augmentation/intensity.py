"""Changes of the image alone: contrast, bias field, noise, resolution, the brain's edge.

Images are (I, J, K) in [0, 1]. The edge moves because no two skull-strippers agree on it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from parcela_training.augmentation.rng import Draws

BIAS_POINTS = 4  # of the coarse field along each axis
BLOB_VOXELS = 10  # from one free point of the field to the next
FILL = (0.3, 1.0)  # of the mean of the brain nearby: what a mask that is too wide lets in


def change_gamma(image: Tensor, draws: Draws, limit: float) -> Tensor:
    """Raise to a power between exp(−limit) and exp(limit)."""
    return image.clamp_min(0).pow(math.exp(draws.uniform(-limit, limit)))


def add_bias(image: Tensor, draws: Draws, limit: float) -> Tensor:
    """Multiply by a smooth field whose logarithm has an SD of at most ``limit``."""
    coarse = draws.normal(1, 1, BIAS_POINTS, BIAS_POINTS, BIAS_POINTS) * draws.uniform(0, limit)
    field = functional.interpolate(coarse, tuple(image.shape), mode="trilinear")[0, 0]
    return image * field.exp()


def add_noise(image: Tensor, draws: Draws, limit: float) -> Tensor:
    """Add normal noise with an SD of at most ``limit``; in about four cases of ten none."""
    sigma = draws.uniform(-0.6 * limit, limit)
    return image + sigma * draws.normal(*image.shape) if sigma > 0 else image


def coarsen(
    image: Tensor,
    draws: Draws,
    spacing_mm: tuple[float, float, float],
    range_mm: tuple[float, float],
) -> Tensor:
    """Average along a random axis to voxels of a size within the range, and interpolate back."""
    axis = int(draws.uniform(0, 3))
    size = image.shape[axis]
    slices = max(2, round(size * spacing_mm[axis] / draws.uniform(*range_mm)))
    if slices >= size:
        return image
    matrix = _down_and_up(size, slices).to(image)
    averaged: Tensor = torch.tensordot(matrix, image, dims=([1], [axis]))
    return averaged.movedim(0, axis).contiguous()


def _down_and_up(size: int, slices: int) -> Tensor:
    """(size, size): what averaging to so many thick slices and back does to a line of voxels."""
    lines = torch.eye(size)[:, None]  # a line for each voxel: (size, 1, size)
    thick = functional.adaptive_avg_pool1d(lines, slices)
    back = functional.interpolate(thick, size=size, mode="linear", align_corners=False)
    return back[:, 0].T


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
