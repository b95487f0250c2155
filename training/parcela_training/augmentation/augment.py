"""Augmentation of one prepared volume, on its own device; on one core in about half a second.

First what happens to a head (its shape and place), then what a scanner does to it (resolution, bias,
contrast, noise), then what a skull-stripper leaves of it (the edge).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from parcela_training.augmentation.intensity import (
    add_bias,
    add_noise,
    change_gamma,
    coarsen,
    move_edge,
)
from parcela_training.augmentation.rng import Draws
from parcela_training.augmentation.space import affine_grid, flip, move, warp


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What may happen to an image before a step, and how much; a chance of 0 leaves it out.

    Attributes:
        gamma: the exponent lies between exp(−gamma) and exp(gamma).
        bias: SD of a smooth field's logarithm, at most.
        noise: SD, at most, of an image in [0, 1].
        resolution_chance, resolution_mm: averaged along a random axis to voxels of this size, and
            interpolated back.
        edge_chance, edge_voxels: the brain mask's edge moves in and out by smooth blobs, so far.
        affine_chance, rotation_degrees, scale, shift: about every axis; ``scale`` is a logarithm,
            ``shift`` a fraction of half the volume.
        elastic_chance, elastic_voxels: a smooth warp with this SD, at most, on the networks' grid.
        flip_chance: left and right swapped, and the labels with them. 0 unless asked for: AAL
            itself is lopsided. Over 24 prepared subjects the regions' volumes differ between the
            sides by 15 % on average and in 17 of the 54 pairs always the same way, so that a
            flipped brain with swapped labels teaches borders that the atlas does not have.
    """

    gamma: float = 0.4
    bias: float = 0.2
    noise: float = 0.05
    resolution_chance: float = 0.25
    resolution_mm: tuple[float, float] = (2.0, 5.0)
    edge_chance: float = 0.4
    edge_voxels: int = 3
    affine_chance: float = 0.4
    rotation_degrees: float = 15.0
    scale: float = 0.1
    shift: float = 0.05
    elastic_chance: float = 0.2
    elastic_voxels: float = 2.0
    flip_chance: float = 0.0


NOTHING = Augmentation(
    gamma=0,
    bias=0,
    noise=0,
    resolution_chance=0,
    edge_chance=0,
    affine_chance=0,
    elastic_chance=0,
)  # to try one change by itself


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
