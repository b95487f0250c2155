"""How much augmentation changes an image: the part of a recipe that is its own."""

from __future__ import annotations

from dataclasses import dataclass


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
    resolution_mm: tuple[float, float] = (2.0, 3.0)
    edge_chance: float = 0.4
    edge_voxels: int = 3
    affine_chance: float = 0.3
    rotation_degrees: float = 10.0
    scale: float = 0.1
    shift: float = 0.05
    elastic_chance: float = 0.2
    elastic_voxels: float = 2.0
    flip_chance: float = 0.0
