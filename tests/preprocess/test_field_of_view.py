"""A brain that the field of view cuts: on which side, how much, and what is made room for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from parcela.atlas.aal import COLIN27_BRAIN
from parcela.imaging.field_of_view import beyond
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import Volume, read_volume
from parcela_preprocess.field_of_view import cut_warning, cuts
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
    assert found.side == side
    outermost = np.zeros(3)
    outermost[axis] = mask.shape[axis] - 1 if end else 0
    assert [*outermost * MM, 1.0] @ np.array(found.plane) == pytest.approx(-MM / 2)
    assert not beyond((found,), mask.shape, grid(mask.shape).affine).any()
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
    assert found.side == "S"
    np.testing.assert_allclose(found.plane, [0, 0, 1, -MM / 2], atol=1e-9)


def test_given_a_cut_within_the_grid_then_it_is_found(brain: NDArray[np.float32]) -> None:
    mask = np.pad((without(brain, "S", 0.5) > 0).astype(np.uint8), 4)
    sides = cuts(mask, grid(mask.shape))
    assert [cut.side for cut in sides] == ["S"]
    outside = beyond(sides, mask.shape, grid(mask.shape).affine)
    assert outside[:, :, -4:].all()
    assert not outside[:, :, :-4].any()


@pytest.mark.parametrize(
    ("normal", "side"),
    [((0, 0.5, 0.87), "S"), ((0, -0.4, 0.9), "S"), ((-0.8, 0, 0.6), "L"), ((0, 0.97, -0.24), "A")],
)
def test_given_a_plane_askew_to_the_grid_then_it_is_found_where_it_lies(
    brain: NDArray[np.float32], normal: tuple[float, float, float], side: str
) -> None:
    mask = np.pad((brain > 0).astype(np.uint8), 2)
    direction = np.array(normal) / np.linalg.norm(normal)
    height_mm = np.tensordot(direction, np.indices(mask.shape), 1) * MM
    inside = height_mm[mask > 0]
    at_mm = inside.max() - 0.2 * np.ptp(inside)
    (cut,) = cuts(mask * (height_mm <= at_mm).astype(np.uint8), grid(mask.shape))
    assert cut.side == side
    assert np.degrees(np.arccos(min(1.0, np.array(cut.plane[:3]) @ direction))) < 4
    assert -cut.plane[3] == pytest.approx(at_mm, abs=2 * MM)
    assert cut.area_cm2 > 60


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


@pytest.mark.parametrize(
    ("side", "share"),
    [
        ("I", 0.5),
        pytest.param("S", 0.5, marks=pytest.mark.slow),
        pytest.param("R", 0.5, marks=pytest.mark.slow),
        pytest.param("A", 0.3, marks=pytest.mark.slow),
    ],
)
def test_given_a_cut_then_what_is_missing_is_estimated_and_lent(
    brain: NDArray[np.float32], side: str, share: float
) -> None:
    image = without(brain, side, share)
    done = preprocess(Volume(image, grid(image.shape)), preprocess=False)
    (cut,) = done.record.cuts
    axis, _ = SIDES[side]
    truth = (brain.shape[axis] - image.shape[axis]) * MM
    assert cut.side == side
    assert cut.missing_mm == pytest.approx(truth, abs=25)
    assert f"{cut.missing_mm:.0f} mm missing" in done.record.warnings[-1]
    model = done.trail.model
    outside = beyond(done.record.cuts, model.shape, model.affine)
    assert outside.mean() > 0.6 * share
    assert (done.image[outside] > 0).mean() > 0.2  # another brain's half
    assert not done.in_view(done.image, model)[outside].any()


@pytest.mark.slow
def test_given_a_cut_of_a_tilted_grid_then_it_is_completed_upright(
    brain: NDArray[np.float32],
) -> None:
    turn = Rotation.from_euler("x", 30, degrees=True).as_matrix()
    affine = np.diag([MM, MM, MM, 1])
    affine[:3, :3] = turn * MM
    whole = np.pad(brain, 20)
    middle = (np.array(whole.shape) - 1) / 2
    # The head is upright in the world, the grid is not.
    turned = ndimage.affine_transform(whole, turn, middle - turn @ middle, order=1)
    part = np.ascontiguousarray(turned[:, :, : int(middle[2]) + 8])
    done = preprocess(Volume(part, grid(part.shape, affine)), preprocess=False)
    (cut,) = done.record.cuts
    assert cut.side == "S"
    np.testing.assert_allclose(cut.plane[:3], affine[:3, 2] / MM, atol=1e-6)
    assert cut.missing_mm is not None
    assert cut.missing_mm > 10
    assert any("turned upright" in warning for warning in done.record.warnings)


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
    assert thesis.record.cuts[0].missing_mm is None
    assert any("do not trust this map" in warning for warning in thesis.record.warnings)
