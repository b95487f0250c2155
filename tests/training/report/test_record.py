"""The record of a run: saved and read back, and set beside another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parcela_training.report.comparisons import paired, pairs, side_by_side
from parcela_training.report.record import ExperimentRecord, NetworkRecord


def test_given_a_run_when_saved_and_loaded_then_nothing_is_lost(
    record: ExperimentRecord, tmp_path: Path
) -> None:
    record = replace(record, pictures={"3.2": Path("step 1.png")})
    record.save(tmp_path / "run.json")
    again = ExperimentRecord.load(tmp_path / "run.json")

    for name in ("preset", "split", "versions", "seeds", "registration", "pictures", "remarks"):
        assert getattr(again, name) == getattr(record, name)
    for one, two in zip(record.networks, again.networks, strict=True):
        assert (one.curve, one.settings, one.title) == (two.curve, two.settings, two.title)
        for first, second in zip(one.evaluations, two.evaluations, strict=True):
            np.testing.assert_array_equal(first.dice, second.dice)
            np.testing.assert_array_equal(first.seconds, second.seconds)


def test_given_hours_epochs_and_images_when_divided_then_seconds_per_image_come_out() -> None:
    whole = NetworkRecord(
        "unet", "thesis", training_hours=0.5, epochs_reached=24, training_images=40
    )

    assert whole.training_s_per_image == pytest.approx(1800 / 960)
    assert replace(whole, epochs_reached=None).training_s_per_image is None


def test_given_images_in_another_order_when_paired_then_they_are_matched_by_name(
    record: ExperimentRecord,
) -> None:
    first = record.networks[0].evaluations[0]
    second = record.networks[1].evaluations[0]
    turned = replace(
        second,
        images=second.images[::-1],
        datasets=second.datasets[::-1],
        dice=second.dice[::-1],
        seconds=second.seconds[::-1],
    )

    assert paired(first, turned) == paired(first, second)


def test_given_some_common_images_when_paired_then_only_those_count(
    record: ExperimentRecord,
) -> None:
    whole = record.networks[0].evaluations[0]
    part = replace(
        whole,
        images=(*whole.images[:4], *(f"other-{k}" for k in range(8))),
    )
    other = replace(whole, images=tuple(f"other-{k}" for k in range(12)))

    found = paired(whole, part)

    assert found is not None
    assert (found.n, found.mean_difference) == (4, 0)
    assert paired(whole, other) is None


def test_given_two_label_sets_when_networks_are_paired_then_each_set_stays_by_itself(
    record: ExperimentRecord,
) -> None:
    assert [(pair.first, pair.second, pair.reference) for pair in pairs(record)] == [
        ("HighResNet", "U-Net", "opened"),
        ("HighResNet", "U-Net", "unopened"),
    ]


def test_given_two_runs_when_set_side_by_side_then_every_network_carries_its_run(
    record: ExperimentRecord,
) -> None:
    other = replace(record, preset="modern", remarks=("Another.",))

    both = side_by_side(record, other, ("one", "two"))

    assert [run.title for run in both.all_networks] == [
        "HighResNet (one)",
        "U-Net (one)",
        "HighResNet (two)",
        "U-Net (two)",
    ]
    assert [remark.split(":")[0] for remark in both.remarks] == ["one", "two", "one", "two"]
    assert "preset modern" in both.remarks[1]
    same = [pair.result for pair in pairs(both) if pair.first[:3] == pair.second[:3]]
    assert [(found.mean_difference, found.p_value) for found in same] == [(0, 1)] * 4
