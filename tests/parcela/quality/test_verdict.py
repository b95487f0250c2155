"""A good map is ok; each way of going wrong is named, with what to do."""

from __future__ import annotations

import numpy as np
import pytest

from parcela.quality.grade import Bound, Judgement
from parcela.quality.reference import reference
from parcela.quality.verdict import BOUNDS, Quality, graded
from parcela.weights.cards import read_card

GOOD = {
    "brain_ml": 1500.0,
    "labels_inside": 0.985,
    "brain_labelled": 0.74,
    "regions_missing": 0.0,
    "share_z_rms": 1.0,
    "islands": 0.001,
    "sides_right": 1.0,
    "sidedness": 1.0,
    "image_distance": 1.0,
    "agreement": 0.93,
    "bent_mm": 4.0,
    "cut_cm2": 0.0,
    "tilt_degrees": 4.0,
    "below_zero": 0.0,
    "spikes": 0.0,
    "sides_unknown": 0.0,
}


def test_given_usual_numbers_then_it_is_ok_and_nothing_is_said() -> None:
    quality = graded(GOOD, {}, {})
    assert (quality.verdict, quality.reasons, quality.warning()) == ("ok", (), None)


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: f"{bound.number}{bound.sense:+d}")
def test_given_one_number_beyond_its_bound_then_it_is_named(bound: Bound) -> None:
    beyond = bound.mild + bound.sense * 1e-3
    quality = graded(GOOD | {bound.number: beyond}, {}, {})
    assert quality.verdict == ("doubtful" if bound.mild == bound.grave else "look")
    assert quality.reasons == (bound.reason(beyond),)


def test_given_a_grave_number_beside_a_small_one_then_the_worst_counts_and_both_are_said() -> None:
    quality = graded(GOOD | {"image_distance": 9.0, "spikes": 1.0}, {}, {})
    assert quality.verdict == "doubtful"
    assert len(quality.reasons) == 2
    assert "do not use this map" in str(quality.warning())


def test_given_a_number_that_could_not_be_measured_then_it_says_nothing_and_is_null() -> None:
    quality = graded(GOOD | {"sides_right": float("nan")}, {}, {})
    assert (quality.verdict, quality.numbers["sides_right"]) == ("ok", None)


def test_given_the_weights_of_the_reference_then_an_unsure_network_is_doubted() -> None:
    usual = reference().certainty["unet"]
    low = usual.mean - 20 * usual.sd
    quality = graded(GOOD, {"unet": low}, {"unet": usual.sha256})
    assert quality.verdict == "doubtful"
    assert "less sure" in quality.reasons[0]


def test_given_other_weights_then_certainty_is_told_and_not_judged() -> None:
    quality = graded(GOOD, {"unet": 0.5}, {"unet": "0" * 64})
    assert (quality.verdict, quality.certainty) == ("ok", {"unet": 0.5})


def test_given_the_weights_that_ship_then_the_reference_is_of_them() -> None:
    usual = {name: each.sha256 for name, each in reference().certainty.items()}
    assert usual == {name: read_card(name).sha256 for name in ("unet", "warp")}, (
        "new weights: run benchmarks/quality.py, then again with --reference"
    )


def test_given_a_verdict_written_then_it_reads_back_equal() -> None:
    quality = graded(GOOD | {"islands": np.float64(0.5)}, {"unet": 0.9}, {})
    assert Quality.from_json(quality.to_json()) == quality


def test_given_a_verdict_then_it_can_be_told_without_its_numbers() -> None:
    quality = graded(GOOD | {"islands": 0.5}, {}, {})
    assert quality.judgement() == Judgement(verdict="doubtful", reasons=quality.reasons)


@pytest.mark.parametrize(
    ("value", "level"),
    [(1.0, "good"), (1.5, "mild"), (2.0, "mild"), (2.1, "grave"), (float("nan"), "unmeasured")],
)
def test_given_a_value_then_its_bound_says_how_wrong_it_is(value: float, level: str) -> None:
    assert Bound("islands", 1.0, 2.0, 1, "in pieces").level(value) == level
    assert Bound("islands", -1.0, -2.0, -1, "in pieces").level(-value) == level
