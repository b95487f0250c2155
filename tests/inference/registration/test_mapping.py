"""From a place in an image to its place in the atlas."""

from __future__ import annotations

import torch
from torch import Tensor

from parcela_inference.registration.mapping import (
    Mapping,
    centres,
    inverse,
    moved,
    sampled,
)

GRID = (24, 32, 28)


def smooth_velocity(most: float) -> Tensor:
    coarse = torch.randn(1, 3, 4, 5, 4, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, GRID, mode="trilinear", align_corners=True)[0]
    return most * fine / fine.abs().max()


def test_given_a_grid_then_its_places_are_its_voxels_centres() -> None:
    places = centres((2, 4, 1))
    assert places[0, 0, 0].tolist() == [-0.5, -0.75, 0]
    assert places[1, 3, 0].tolist() == [0.5, 0.75, 0]


def test_given_a_volume_when_sampled_at_its_own_places_then_it_is_itself() -> None:
    volume = torch.rand(2, 3, 4, 5)
    taken = sampled(volume, centres((3, 4, 5)))
    torch.testing.assert_close(taken.movedim(-1, 0), volume, atol=1e-5, rtol=0)


def test_given_an_affine_then_its_inverse_takes_places_back() -> None:
    affine = 0.2 * torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    places = centres((4, 4, 4))
    back = moved(moved(places, affine), inverse(affine))
    torch.testing.assert_close(back, places, atol=1e-5, rtol=0)


def test_given_a_velocity_then_its_displacement_can_be_undone_and_tears_nothing() -> None:
    affine = 0.1 * torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    mapping = Mapping(affine, smooth_velocity(0.3))  # 27 mm
    places = centres((20, 20, 20)) * 0.6

    there = mapping(places)

    assert (there - moved(places, affine)).abs().max() > 0.1
    torch.testing.assert_close(mapping.back(there), places, atol=0.015, rtol=0)
    mapped = mapping(centres((60, 60, 60)) * 0.6)
    i, j, k = (mapped.diff(dim=axis)[:59, :59, :59] for axis in range(3))
    volumes = torch.linalg.det(torch.stack([i, j, k], -1))
    assert volumes.min() > 0


def test_given_an_affine_and_a_velocity_then_the_affine_comes_first() -> None:
    affine = torch.zeros(3, 4)
    affine[0, 3] = 0.5
    velocity = torch.zeros(3, *GRID)
    velocity[1, GRID[0] // 2 :] = 0.25  # the left half stays
    mapping = Mapping(affine, velocity)

    torch.testing.assert_close(
        mapping(torch.tensor([[-0.2, 0.0, 0.0], [-0.9, 0.0, 0.0]])),
        torch.tensor([[0.3, 0.25, 0.0], [-0.4, 0.0, 0.0]]),
    )
