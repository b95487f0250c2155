from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from parcela.errors import StepFailed
from parcela_training.cohorts.virtual import diffeomorphism
from parcela_training.cohorts.virtual.diffeomorphism import Diffeomorphism, random_diffeomorphism

LOW, HIGH = np.array([-90.0, -126.0, -72.0]), np.array([91.0, 91.0, 109.0])


def draw(seed: int) -> Diffeomorphism:
    return random_diffeomorphism(np.random.default_rng(seed), LOW, HIGH)


def inside(step_mm: float) -> NDArray[np.float64]:
    """(3, X, Y, Z) world coordinates of a grid out of step with the nodes."""
    axes = [np.arange(a + 10.3, b - 10, step_mm) for a, b in zip(LOW, HIGH, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


@pytest.mark.parametrize("seed", range(4))
def test_given_a_draw_then_its_jacobian_is_positive_between_the_nodes_too(seed: int) -> None:
    bend, points = draw(seed), inside(3.1)
    h = 0.01
    columns = [
        (bend(points + h * axis) - bend(points - h * axis)) / (2 * h)
        for axis in np.eye(3).reshape(3, 3, 1, 1, 1)
    ]
    determinant = np.linalg.det(np.moveaxis(np.stack(columns), (0, 1), (-1, -2)))
    assert determinant.min() > 0
    assert bend.jacobian[0] > diffeomorphism.LEAST_JACOBIAN
    assert bend.jacobian[0] - 0.02 < determinant.min()
    assert determinant.max() < bend.jacobian[1] + 0.02
    assert determinant.max() - determinant.min() > 0.5  # it does bend


def test_given_a_draw_then_it_moves_points_by_millimetres_and_repeats() -> None:
    moved = np.linalg.norm(draw(1).displacement, axis=0)
    assert 2 < np.median(moved) < 8
    np.testing.assert_array_equal(draw(1).displacement, draw(1).displacement)
    assert not np.allclose(draw(1).displacement, draw(2).displacement)


def test_given_a_wild_velocity_when_drawn_then_it_is_slowed_down_until_nothing_folds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diffeomorphism, "FLOWS", ((10.0, 9.0),))
    assert draw(0).jacobian[0] > diffeomorphism.LEAST_JACOBIAN
    monkeypatch.setattr(diffeomorphism, "TRIES", 1)
    with pytest.raises(StepFailed, match="choose another seed"):
        draw(0)


def test_given_a_constant_velocity_then_its_flow_is_a_shift() -> None:
    velocity = np.full((3, 6, 7, 8), 5.0)
    np.testing.assert_allclose(diffeomorphism._flow(velocity), 5.0)
