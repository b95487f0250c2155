"""Trainings without a data set, judged on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcela_benchmarks import left_out
from training.prepared_images import made_up_cohort


def test_given_a_data_set_to_leave_out_then_none_of_its_images_is_learned_from(
    tmp_path: Path,
) -> None:
    whole = made_up_cohort(tmp_path / "whole", parts={"train": 4, "val": 3, "test": 2})
    of = whole.datasets

    found = left_out.without(whole, "made-up A", tmp_path / "without")

    assert {of[name] for name in found.ids("train")} == {"made-up B"}
    assert [of[name] for name in found.ids("val")].count(
        "made-up A"
    ) == 3  # one of val, two of train
    assert not set(found.ids("val")) & (set(found.ids("train")) | set(whole.ids("test")))
    assert all(file.exists() for file in found.files("val"))


def test_given_every_kind_then_each_but_the_last_changes_one_thing() -> None:
    usual = left_out.KINDS["all, as the recipe has it"]
    assert usual == left_out.USUAL
    alone = [kind for kind in left_out.KINDS.values() if kind not in (None, usual)]
    assert len(alone) == len(set(alone)) == 5


def test_given_trainings_then_each_gain_is_over_none_on_the_data_set_left_out() -> None:
    datasets = {"a": "A", "b": "B", "c": "B"}

    def row(change: str, *dice: float) -> dict[str, object]:
        return {
            "change": change,
            "model": "unet",
            "left_out": "B",
            "ids": ["a", "b", "c"],
            "dice": [[each] * 117 for each in dice],
            "seconds": 1.0,
        }

    first, second = left_out.trials(
        [row(left_out.NONE, 0.8, 0.5, 0.6), row("warped", 0.7, 0.6, 0.7)], datasets
    )

    assert first.gain is None
    assert [first.own, second.own, second.other] == pytest.approx([0.8, 0.7, 0.65])
    assert second.gain is not None
    assert second.gain.mean_difference == pytest.approx(0.1)


@pytest.mark.slow
def test_given_a_cohort_when_run_twice_then_each_training_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = made_up_cohort(
        tmp_path / "cohort", (32, 32, 32), parts={"train": 2, "val": 2, "test": 1}
    )
    monkeypatch.setattr(left_out, "KINDS", {left_out.NONE: None, "all": left_out.USUAL})

    def run() -> list[dict[str, object]]:
        return [*left_out.run(cohort, ["unet"], tmp_path / "work", lambda *_: None, {"unet": 2})]

    rows = run()
    monkeypatch.setattr(left_out, "trained", None)
    assert run() == rows
    assert len(left_out.table(left_out.trials(rows, cohort.datasets), cohort).rows) == 4
