"""A part of a prepared cohort, predicted and measured image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from parcela_training.evaluation.images import Evaluator, evaluate
from parcela_training.preparation.prepared_set import PreparedSet
from training.prepared_images import REGIONS, SMALL, made_up_cohort


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedSet:
    return made_up_cohort(tmp_path / "prepared")


class Bands:
    """Predicts the regions before the opening, whatever the image, and counts how often."""

    def __init__(self, fail_at: int = 0) -> None:
        self.calls, self.fail_at = 0, fail_at

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.uint8]:
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        return np.asarray(np.rint(image * REGIONS), np.uint8)


def test_given_a_prediction_when_evaluated_then_each_set_of_labels_gets_its_dice(
    prepared: PreparedSet, tmp_path: Path
) -> None:
    opened, unopened = evaluate(
        Evaluator("unet", Bands()), prepared, "test", tmp_path / "rows.jsonl"
    )

    assert (opened.reference, unopened.reference) == ("opened", "unopened")
    assert opened.images == ("sub-03", "sub-04", "sub-05")
    assert opened.datasets == ("made-up A", "made-up B", "made-up A")
    assert unopened.per_image.min() > opened.per_image.max() > 0.99
    assert np.isnan(opened.dice[:, REGIONS + 1 :]).all()
    assert (opened.seconds >= 0).all()
    assert opened.hausdorff95_mm is None


def test_given_an_evaluation_that_was_killed_when_repeated_then_no_image_is_predicted_twice(
    prepared: PreparedSet, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    with pytest.raises(KeyboardInterrupt):
        evaluate(Evaluator("unet", Bands(fail_at=3)), prepared, "test", rows)

    again, whole = Bands(), Bands()
    first = evaluate(Evaluator("unet", again), prepared, "test", rows)[0]

    assert again.calls == 1
    fresh = evaluate(Evaluator("unet", whole), prepared, "test", tmp_path / "other.jsonl")[0]
    np.testing.assert_array_equal(first.dice, fresh.dice)


def test_given_other_weights_when_repeated_then_every_image_is_predicted_again(
    prepared: PreparedSet, tmp_path: Path
) -> None:
    rows, again = tmp_path / "rows.jsonl", Bands()
    evaluate(Evaluator("unet", Bands(), made_from={"weights": "a"}), prepared, "test", rows)

    evaluate(Evaluator("unet", again, made_from={"weights": "b"}), prepared, "test", rows)

    assert again.calls == 3


def test_given_surfaces_wanted_later_when_repeated_then_they_are_measured(
    prepared: PreparedSet, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    evaluate(Evaluator("unet", Bands()), prepared, "val", rows)

    opened, unopened = evaluate(Evaluator("unet", Bands(), surface=True), prepared, "val", rows)

    assert opened.hausdorff95_mm is not None
    assert np.nanmax(opened.hausdorff95_mm) <= 2 * 1.5
    assert unopened.hausdorff95_mm is None


def test_given_monai_beside_when_evaluated_then_only_so_many_images_are_timed(
    prepared: PreparedSet, tmp_path: Path
) -> None:
    evaluator, said = Evaluator("unet", Bands(), monai=Bands(), monai_images=2), []

    opened = evaluate(
        evaluator,
        prepared,
        "test",
        tmp_path / "rows.jsonl",
        on_item=lambda done, of, found: said.append((done, of, found.split()[0])),
    )[0]

    assert opened.monai_seconds is not None
    assert np.isnan(opened.monai_seconds).tolist() == [False, False, True]
    assert said == [(1, 3, "sub-03"), (2, 3, "sub-04"), (3, 3, "sub-05")]


def test_given_a_part_without_images_when_evaluated_then_it_says_so(tmp_path: Path) -> None:
    prepared = made_up_cohort(tmp_path / "p", SMALL, parts={"train": 1})

    with pytest.raises(ValueError, match="no image in test"):
        evaluate(Evaluator("unet", Bands()), prepared, "test", tmp_path / "rows.jsonl")
