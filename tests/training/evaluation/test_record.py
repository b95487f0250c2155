"""The record of one network over a set of images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parcela.atlas.aal import CLASS_COUNT
from parcela_training.evaluation.record import Evaluation


@pytest.fixture
def evaluation() -> Evaluation:
    draw = np.random.default_rng(0)
    dice = draw.random((3, CLASS_COUNT))
    dice[1, [5, 80]] = np.nan
    surface = draw.random((3, CLASS_COUNT)) * 9
    surface[:, 0] = np.nan
    return Evaluation(
        "unet",
        "opened",
        ("sub-1", "sub-2", "sub-3"),
        ("IXI", "IXI", "other"),
        dice,
        np.array([0.1, np.nan, 1 / 3]),
        hausdorff95_mm=surface,
    )


def test_given_an_evaluation_when_saved_and_loaded_then_nothing_is_lost(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    evaluation.save(tmp_path / "unet.json")
    again = Evaluation.load(tmp_path / "unet.json")

    for name in ("network", "reference", "images", "datasets", "average_surface_mm"):
        assert getattr(again, name) == getattr(evaluation, name)
    for name in ("dice", "seconds", "hausdorff95_mm"):
        np.testing.assert_array_equal(getattr(again, name), getattr(evaluation, name))
        assert getattr(again, name).dtype == np.float64


def test_given_an_evaluation_when_averaged_then_background_and_absent_regions_are_as_stated(
    evaluation: Evaluation,
) -> None:
    dice = evaluation.dice

    assert evaluation.per_image[1] == pytest.approx(np.delete(dice[1], [5, 80]).mean())
    assert evaluation.per_image_without_background[0] == pytest.approx(dice[0, 1:].mean())
    assert evaluation.medians[5] == pytest.approx(dice[[0, 2], 5].mean())
    assert evaluation.absent == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": ("sub-1", "sub-1", "sub-3")}, "each once"),
        ({"images": (), "datasets": ()}, "each once"),
        ({"datasets": ("IXI",)}, "data set"),
        ({"seconds": np.zeros(2)}, "seconds"),
        ({"dice": np.zeros((3, 116))}, r"\(3, 116\)"),
        ({"average_surface_mm": np.zeros((2, 117))}, r"\(2, 117\)"),
        ({"dice": np.full((3, 117), 81.64)}, "fraction"),
        ({"dice": np.full((3, 117), -0.1)}, "below 0"),
        ({"dice": np.full((3, 117), np.nan)}, "without any Dice"),
        ({"seconds": np.array([1, np.inf, 1])}, "infinite"),
    ],
)
def test_given_values_that_do_not_fit_when_recorded_then_it_is_refused(
    evaluation: Evaluation, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        replace(evaluation, **change)


def test_given_another_file_when_loaded_then_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"network": "unet"}')

    with pytest.raises(ValueError, match="Field required"):
        Evaluation.load(tmp_path / "other.json")
