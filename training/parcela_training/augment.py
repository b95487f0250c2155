"""Light augmentation of one prepared volume, on the processor, in well under a second.

Contrast, bias and noise change the image inside the brain only; a small affine moves image and
label together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

ROTATION_DEGREES = 7.0
SCALE = 0.08
SHIFT = 0.05
AFFINE_CHANCE = 0.6


def augment(image: Tensor, label: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Image (I, J, K) in [0, 1] and label (I, J, K), both changed at random."""
    brain = image > 0
    image = _noise(_bias(_contrast(image, generator), generator), generator)
    image = image.clamp(0, 1) * brain
    if _uniform(generator) < AFFINE_CHANCE:
        return _affine(image, label, generator)
    return image, label


def _uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * float(torch.rand(1, generator=generator))


def _contrast(image: Tensor, generator: torch.Generator) -> Tensor:
    gamma = math.exp(_uniform(generator, -0.35, 0.35))
    return image.clamp_min(0).pow(gamma)


def _bias(image: Tensor, generator: torch.Generator) -> Tensor:
    coarse = torch.randn(1, 1, 4, 4, 4, generator=generator) * _uniform(generator, 0.0, 0.12)
    field = functional.interpolate(coarse, tuple(image.shape), mode="trilinear")[0, 0]
    return image * field.exp()


def _noise(image: Tensor, generator: torch.Generator) -> Tensor:
    sigma = max(0.0, _uniform(generator, -0.03, 0.05))
    return image + sigma * torch.randn(image.shape, generator=generator) if sigma else image


def _affine(image: Tensor, label: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    matrix = _random_matrix(image.shape, generator)
    shape = [1, 1, *image.shape]
    grid = functional.affine_grid(matrix[None], shape, align_corners=False)
    moved = functional.grid_sample(image[None, None], grid, align_corners=False)[0, 0]
    labels = label[None, None].float()
    taken = functional.grid_sample(labels, grid, mode="nearest", align_corners=False)[0, 0]
    return moved, taken.to(label.dtype)


def _random_matrix(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """A (3, 4) matrix in ``affine_grid``'s normalised axes (K, J, I)."""
    limit = math.radians(ROTATION_DEGREES)
    turn = torch.eye(3)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle = _uniform(generator, -limit, limit)
        plane = torch.eye(3)
        plane[first, first] = plane[second, second] = math.cos(angle)
        plane[first, second], plane[second, first] = -math.sin(angle), math.sin(angle)
        turn = turn @ plane
    scales = torch.tensor([_uniform(generator, -SCALE, SCALE) for _ in range(3)]).exp()
    extent = torch.tensor([float(size) for size in reversed(shape)])
    matrix = (turn * scales) * extent[None, :] / extent[:, None]
    shift = torch.tensor([_uniform(generator, -SHIFT, SHIFT) for _ in range(3)])
    return torch.cat([matrix, shift[:, None]], dim=1)
