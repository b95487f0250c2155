"""Augmentation of one prepared volume, on its own device; on one core in about half a second.

First what bernoulli to a head (its shape and place), then what a scanner does to it (resolution, bias,
contrast, noise), then what a skull-stripper leaves of it (the edge).
"""

from __future__ import annotations

from torch import Tensor

from parcela_training.augmentation.edge import move_edge
from parcela_training.augmentation.intensity import add_bias, add_noise, change_gamma, coarsen
from parcela_training.augmentation.rng import Draws
from parcela_training.augmentation.settings import Augmentation
from parcela_training.augmentation.space import affine_grid, flip, move, warp


def augment(
    image: Tensor,
    label: Tensor,
    draws: Draws,
    how: Augmentation,
    spacing_mm: tuple[float, float, float] = (1.5, 1.5, 1.2),
) -> tuple[Tensor, Tensor]:
    """Image (I, J, K) float32 in [0, 1] and label (I, J, K) uint8, both changed at random.

    Outside the brain the image stays 0. ``spacing_mm`` is the voxels' size along each axis.
    """
    if draws.bernoulli(how.flip_chance):
        image, label = flip(image, label)
    image, label = _moved(image, label, draws, how)
    brain = image > 0
    if draws.bernoulli(how.resolution_chance):
        image = coarsen(image, draws, spacing_mm, how.resolution_mm)
    image = add_bias(image, draws, how.bias)
    image = add_noise(change_gamma(image, draws, how.gamma), draws, how.noise)
    image = image.clamp(0, 1) * brain
    if draws.bernoulli(how.edge_chance):
        image = move_edge(image, draws, how.edge_voxels)
    return image, label


def _moved(image: Tensor, label: Tensor, draws: Draws, how: Augmentation) -> tuple[Tensor, Tensor]:
    """Affine and warp in one interpolation, or neither."""
    turned, warped = draws.bernoulli(how.affine_chance), draws.bernoulli(how.elastic_chance)
    if not (turned or warped):
        return image, label
    limits = (how.rotation_degrees, how.scale, how.shift) if turned else (0.0, 0.0, 0.0)
    grid = affine_grid(image, draws, *limits)
    if warped:
        grid = grid + warp(image, draws, how.elastic_voxels)
    return move(image, label, grid)
