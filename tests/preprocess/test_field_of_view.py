"""A brain that the field of view cuts: on which side, how much, and what is made room for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.aal import COLIN27_BRAIN
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import Volume, read_volume
from parcela_preprocess.extent import missing_mm
from parcela_preprocess.field_of_view import Cut, cut_warning, cuts
from parcela_preprocess.preprocess import preprocess

Mask = NDArray[np.uint8]
MM = 3.0
SIDES = {"L": (0, 0), "R": (0, 1), "P": (1, 0), "A": (1, 1), "I": (2, 0), "S": (2, 1)}


@pytest.fixture(scope="module")
def brain() -> NDArray[np.float32]:
    """Colin27's brain in its box, 3 mm, RAS."""
    image = read_volume(COLIN27_BRAIN).data[1::3, 1::3, 1::3]
    return np.ascontiguousarray(image[ndimage.find_objects((image > 0).astype(np.uint8))[0]])


def grid(shape: tuple[int, ...], affine: NDArray[np.float64] | None = None) -> Geometry:
    x, y, z = shape
    return Geometry.of_grid((x, y, z), np.diag([MM, MM, MM, 1]) if affine is None else affine)


def without(image: NDArray[np.float32], side: str, share: float) -> NDArray[np.float32]:
    """The image without a share of it at one side."""
    axis, end = SIDES[side]
    lost = int(image.shape[axis] * share)
    part = [slice(None)] * 3
    part[axis] = slice(0, image.shape[axis] - lost) if end else slice(lost, None)
    return np.ascontiguousarray(image[tuple(part)])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_given_a_cut_then_its_side_and_its_area_are_found(
    brain: NDArray[np.float32], side: str, share: float
) -> None:
    mask = (without(brain, side, share) > 0).astype(np.uint8)
    (found,) = cuts(mask, grid(mask.shape))
    axis, end = SIDES[side]
    assert (found.side, found.axis, found.end) == (side, axis, end)
    area = np.take(mask, -1 if end else 0, axis=axis).sum() * MM * MM / 100
    assert found.area_cm2 == pytest.approx(area)
    (warning,) = cut_warning((found,), completed=False)
    assert "CUTS THE BRAIN" in warning
    assert f"({area:.0f} cm²)" in warning


def test_given_other_array_axes_then_the_side_is_still_the_anatomical_one(
    brain: NDArray[np.float32],
) -> None:
    mask = (without(brain, "S", 0.5) > 0).astype(np.uint8)
    turned = np.ascontiguousarray(mask.transpose(2, 1, 0)[::-1])  # axes I, A, R
    affine = np.array([[0, 0, MM, 0], [0, MM, 0, 0], [-MM, 0, 0, 0], [0, 0, 0, 1.0]])
    (found,) = cuts(turned, grid(turned.shape, affine))
    assert (found.side, found.axis, found.end) == ("S", 0, 0)


def test_given_a_cut_within_the_grid_then_it_is_found(brain: NDArray[np.float32]) -> None:
    mask = np.pad((without(brain, "S", 0.5) > 0).astype(np.uint8), 4)
    assert [cut.side for cut in cuts(mask, grid(mask.shape))] == ["S"]


def test_given_two_cuts_then_both_are_said(brain: NDArray[np.float32]) -> None:
    mask = (without(without(brain, "S", 0.3), "L", 0.3) > 0).astype(np.uint8)
    sides = cuts(mask, grid(mask.shape))
    assert {cut.side for cut in sides} == {"S", "L"}
    (warning,) = cut_warning(sides, completed=True)
    assert "left (" in warning
    assert "top (" in warning


def test_given_a_whole_brain_in_its_tight_box_then_nothing_is_cut(
    brain: NDArray[np.float32],
) -> None:
    mask = (brain > 0).astype(np.uint8)
    assert cuts(mask, grid(mask.shape)) == ()
    assert cuts(np.zeros_like(mask), grid(mask.shape)) == ()
    assert cut_warning((), completed=True) == ()


@pytest.mark.parametrize(("side", "share"), [("S", 0.5), ("I", 0.5), ("R", 0.5), ("A", 0.3)])
def test_given_a_cut_then_what_is_missing_is_estimated(
    brain: NDArray[np.float32], side: str, share: float
) -> None:
    mask = (without(brain, side, share) > 0).astype(np.uint8)
    axis, end = SIDES[side]
    missing = missing_mm(mask, np.full(3, MM), (Cut(side, axis, end, 100.0),))
    truth = (brain.shape[axis] - mask.shape[axis]) * MM
    assert missing[axis][end] == pytest.approx(truth, abs=25)
    assert sum(value > 0 for both in missing for value in both) == 1


def test_given_half_a_brain_when_preprocessed_then_it_lies_where_it_would_in_the_whole(
    brain: NDArray[np.float32],
) -> None:
    whole = preprocess(Volume(brain, grid(brain.shape)), preprocess=False)
    top = without(brain, "I", 0.5)
    affine = np.diag([MM, MM, MM, 1])
    affine[2, 3] = (brain.shape[2] - top.shape[2]) * MM
    half = preprocess(Volume(top, grid(top.shape, affine)), preprocess=False)
    assert any("CUTS THE BRAIN at the bottom" in warning for warning in half.record.warnings)
    middle = affine @ [*(np.array(top.shape) / 2), 1]
    placed = [np.linalg.inv(done.trail.model.affine) @ middle for done in (whole, half)]
    np.testing.assert_allclose(placed[0], placed[1], atol=12)
    thesis = preprocess(Volume(top, grid(top.shape, affine)), preset="thesis", preprocess=False)
    assert any("do not trust this map" in warning for warning in thesis.record.warnings)
