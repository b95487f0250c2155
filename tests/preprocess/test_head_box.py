"""A head in a box much larger than one: the empty margins are cut off before brain extraction, and put back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from parcela.atlas.aal import COLIN27_BRAIN, COLIN27_HEAD
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import read_volume
from parcela_preprocess.brain import HEAD_BORDER_MM, head_box
from parcela_preprocess.transforms import skull_strip
from parcela_preprocess.transforms.skull_strip import SkullStripWithDeepbetd

Image = NDArray[np.float32]
MM = 4
PLACES = [(0, 0, 0), (20, 40, 60), (82, 73, 82)]


@pytest.fixture(scope="module")
def head() -> Image:
    return read_volume(COLIN27_HEAD).data[::MM, ::MM, ::MM]


def boxed(part: NDArray[Any], place: tuple[int, int, int], noise: float = 0) -> Image:
    """A grid of 512 mm with a part at a place, and the noise of air."""
    rng = np.random.default_rng(0)
    grid = np.abs(rng.normal(0, noise, (128, 128, 128))).astype(np.float32)
    grid[tuple(slice(at, at + n) for at, n in zip(place, part.shape, strict=True))] += part
    return grid


@pytest.mark.parametrize("noise", [0, 2])
@pytest.mark.parametrize("place", PLACES)
def test_given_a_head_in_a_large_box_then_its_own_box_is_found(
    head: Image, place: tuple[int, int, int], noise: float
) -> None:
    border = HEAD_BORDER_MM / MM + 1
    box = head_box(boxed(head, place, noise), (MM, MM, MM))
    for part, at, size in zip(box, place, head.shape, strict=True):
        assert max(0, at - border) <= part.start <= at + 3
        assert at + size - 3 <= part.stop <= min(128, at + size + border)


def test_given_a_crumb_far_away_then_the_head_is_still_found(head: Image) -> None:
    grid = boxed(head, (0, 0, 0))
    grid[125, 125, 125] = 1000
    assert head_box(grid, (MM, MM, MM)) == head_box(boxed(head, (0, 0, 0)), (MM, MM, MM))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 2.5, 2.0)])
def test_given_a_box_of_ordinary_size_then_it_is_the_whole(
    head: Image, spacing: tuple[float, float, float]
) -> None:
    grid = boxed(head, (0, 0, 0))
    assert grid[head_box(grid, spacing)].shape == grid.shape


def test_given_one_long_axis_then_that_alone_is_cut(head: Image) -> None:
    grid = boxed(head, (10, 10, 10))
    x, y, z = head_box(grid, (2, 2, 4))
    assert (x, y) == (slice(0, 128), slice(0, 128))
    assert z.stop - z.start < 128


def test_given_a_large_box_when_the_brain_is_extracted_then_the_mask_lies_where_the_head_does(
    head: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[NDArray[np.float64]] = []

    def bright(image: Image, affine: NDArray[np.float64]) -> NDArray[np.bool_]:
        assert max(image.shape) * MM < 320
        seen.append(affine)
        return image > 100

    monkeypatch.setattr(skull_strip, "brain_mask", bright)
    grid = boxed(head, (20, 40, 60))
    affine = np.diag([MM, MM, MM, 1.0])
    geometry = Geometry.of_grid((128, 128, 128), affine)
    mask = SkullStripWithDeepbetd("image").extract(grid, geometry)
    np.testing.assert_array_equal(mask, grid > 100)
    start = [part.start for part in head_box(grid, (MM, MM, MM))]
    np.testing.assert_allclose(seen[0][:3, 3], np.multiply(start, MM))


@pytest.mark.slow  # deepbet's own network
def test_given_a_head_in_a_box_of_512_mm_then_deepbet_finds_its_brain(head: Image) -> None:
    brain = boxed(read_volume(COLIN27_BRAIN).data[::MM, ::MM, ::MM], (20, 40, 60)) > 0
    geometry = Geometry.of_grid((128, 128, 128), np.diag([MM, MM, MM, 1.0]))
    mask = SkullStripWithDeepbetd("image").extract(boxed(head, (20, 40, 60), 2), geometry)
    assert 2 * (mask & brain).sum() / (mask.sum() + brain.sum()) > 0.88
