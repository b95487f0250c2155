"""The way back to the scan: places along borders alone are given to decide, and everything else follows the trail."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from parcela.imaging import to_scan
from parcela.imaging.to_scan import Offsets, Rows, labels_on_scan, linear_weights
from parcela.imaging.trail import GeometryTrail, Grid

SHAPE = (6, 7, 8)


def trail_to(shape: tuple[int, int, int], affine: NDArray[np.float64]) -> GeometryTrail:
    return GeometryTrail(
        scan=Grid(shape=shape, affine=affine),
        model=Grid(shape=SHAPE, affine=np.eye(4)),
        removed_origin_mm=(0.0, 0.0, 0.0),
        steps=(),
    )


def halves() -> NDArray[np.uint8]:
    """Label 1 below the third voxel of the first axis, 2 from there on."""
    labels = np.full(SHAPE, 2, np.uint8)
    labels[:3] = 1
    return labels


def never(_rows: Rows, _offsets: Offsets) -> NDArray[np.uint8]:
    return np.zeros(0, np.uint8)


def test_given_two_halves_when_taken_back_then_only_the_places_between_them_are_decided() -> None:
    fine = np.diag([0.5, 1.0, 1.0, 1.0])
    places: list[Offsets] = []

    def remember(rows: Rows, offsets: Offsets) -> NDArray[np.uint8]:
        places.append(offsets)
        assert set(halves().ravel()[rows].ravel()) == {1, 2}
        return np.full(len(rows), 77, np.uint8)

    on_scan = labels_on_scan(halves(), trail_to((12, 7, 8), fine), remember)
    assert (on_scan[:4] == 1).all()
    assert (on_scan[4:6] == 77).all()
    assert (on_scan[6:] == 2).all()
    assert {tuple(offset) for offset in np.concatenate(places)} == {
        (0.0, 0.0, 0.0),
        (0.5, 0.0, 0.0),
    }


def test_given_a_scan_that_reaches_farther_then_beyond_half_a_voxel_is_background() -> None:
    affine = np.diag([0.5, 1.0, 1.0, 1.0])
    affine[:3, 3] = -1
    on_scan = labels_on_scan(np.ones(SHAPE, np.uint8), trail_to((20, 9, 10), affine), never)
    assert (on_scan[1:14, 1:8, 1:9] == 1).all()
    assert on_scan.sum() == 13 * 7 * 8


def test_given_a_scan_beside_the_models_grid_then_all_is_background() -> None:
    affine = np.eye(4)
    affine[:3, 3] = 100
    assert not labels_on_scan(halves(), trail_to((5, 5, 5), affine), never).any()


def test_given_slabs_of_any_thickness_then_the_map_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.random.default_rng(0).integers(0, 117, SHAPE).astype(np.uint8)
    oblique = np.array([[0.7, 0.2, 0, 0], [-0.1, 0.8, 0, 0], [0, 0.1, -0.9, 7], [0, 0, 0, 1.0]])

    def nearest(rows: Rows, offsets: Offsets) -> NDArray[np.uint8]:
        heaviest = linear_weights(offsets).argmax(-1)
        return np.asarray(labels.ravel()[rows[np.arange(len(rows)), heaviest]])

    trail = trail_to((11, 10, 9), oblique)
    whole = labels_on_scan(labels, trail, nearest)
    monkeypatch.setattr(to_scan, "SLAB_VOXELS", 1)
    np.testing.assert_array_equal(labels_on_scan(labels, trail, nearest), whole)
    assert np.unique(whole).size > 50


def test_given_offsets_when_weighed_then_the_shares_are_those_of_linear_interpolation() -> None:
    offsets = np.array([[0.25, 0.0, 0.5]])
    np.testing.assert_array_equal(
        linear_weights(offsets), [[0.375, 0.375, 0, 0, 0.125, 0.125, 0, 0]]
    )
