"""What holds a network back, on maps whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from parcela_benchmarks import limits


def test_given_an_odd_grid_when_every_other_voxel_is_kept_then_the_shape_stays() -> None:
    labels = np.arange(5 * 3 * 2, dtype=np.uint8).reshape(5, 3, 2)

    found = limits.at_every_other_voxel(labels)

    assert found.shape == labels.shape
    assert found.dtype == np.uint8
    assert (found[:2, :2, :2] == labels[0, 0, 0]).all()
    assert (found[4, 2] == labels[4, 2, 0]).all()


def test_given_a_cube_and_a_rod_then_the_rod_has_more_surface_for_its_volume() -> None:
    labels = np.zeros((6, 8, 4), np.uint8)
    labels[:3, :3, :3] = 5
    labels[5, :, 0] = 9  # along the array's end

    found = limits.surface_per_volume(labels)

    assert found.shape == (116,)
    assert found[4] == pytest.approx(6 * 9 / 27)
    assert found[8] == pytest.approx((4 * 8 + 2) / 8)
    assert np.isnan(found[0])


def test_given_a_network_ahead_by_the_surface_then_the_order_is_found() -> None:
    surface = np.tile(np.linspace(1, 3, 116), (3, 1))
    other = np.full((3, 117), 0.8)
    one = other.copy()
    one[:, 1:] += 0.01 * (surface - 1.5)

    found = limits.gap(one, other, surface)

    assert found.ahead == (surface[0] > 1.5).sum()
    assert found.rho == pytest.approx(1)
    assert found.p < 1e-9
