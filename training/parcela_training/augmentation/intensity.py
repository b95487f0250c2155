"""Changes of the image alone: contrast, bias field, noise, resolution. Images (I, J, K) in [0, 1]."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from parcela_training.augmentation.rng import Draws

BIAS_POINTS = 4  # of the coarse field along each axis


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
