"""Cards: what a network is worth, in words and for programs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from parcela.atlas.aal import CLASS_COUNT, region
from parcela.options import NETWORKS, Network
from parcela.weights.cards import CHECKOUT
from parcela_training.evaluation.record import Evaluation
from parcela_training.jsonable import to_jsonable
from parcela_training.publish.card_record import evaluation_record
from parcela_training.publish.model_card import log_line, model_card
from parcela_training.training.presets import modern

WEAK = 76


def evaluation(reference: str, level: float) -> Evaluation:
    dice = np.full((3, CLASS_COUNT), level)
    dice[:, 0], dice[:, WEAK], dice[1, 5] = 0.99, 0.4, 0
    names = ("sub-1", "sub-2", "sub-3")
    return Evaluation("unet", reference, names, ("IXI", "IXI", "ds002748"), dice, np.ones(3))


@pytest.fixture
def card() -> dict[str, Any]:
    return {
        "model": "unet",
        "variant": "modern",
        "sha256": "0123456789abcdef" * 4,
        "published": "2026-01-02 03:04 UTC",
        "classes": 117,
        "grid": [91, 122, 123],
        "padded_grid": [96, 128, 128],
        "padding": "zeros at each axis's end",
        "dtype": "float16",
        "input": "T1-weighted brain",
        "training": {
            "data": {"IXI": 115, "ds002748": 35},
            "labels": "bronze",
            "images": 150,
            "subjects": 150,
            "steps": 12000,
            "curve": [[6000, 0.81234], [12000, 0.85]],
            "hours": 9.5,
            "hardware": "2 cores",
            "settings": to_jsonable(modern("unet")),
        },
        "label_noise": {"mean_dice": 0.9861, "images": 2},
        "validation": evaluation_record(evaluation("opened", 0.85), evaluation("unopened", 0.8)),
    }


def test_given_an_evaluation_when_recorded_then_the_numbers_are_those_of_the_text(
    card: dict[str, Any],
) -> None:
    found = card["validation"]

    assert found["all"]["n"] == 3
    assert found["without_background"]["mean"] < found["mean_dice"]
    assert found["per_data_set"]["IXI"]["n"] == 2
    assert found["per_data_set"]["ds002748"] == {"mean": 0.8474, "sd": 0.0, "n": 1}
    assert found["regions_found_in_every_image_at_least"] == 115
    assert found["regions_with_median_0"] == []
    assert found["median_dice_per_region"][region(WEAK).name] == 0.4


def test_given_a_card_when_written_then_people_read_what_it_is_worth_and_not_for(
    card: dict[str, Any],
) -> None:
    text = model_card(card)

    assert "Trained on 150 images of 150 subjects (115 of IXI, 35 of ds002748)" in text
    assert "12000 steps of one volume, 9.5 hours" in text
    assert "on 8 validation images after so many steps: 6000 0.812, 12000 0.850." in text
    assert "Mean-116, the regions alone" in text
    assert "0.9861" in text
    assert "padded with zeros at each axis's end to 96×128×128." in text
    assert f"Weakest, by median: {region(WEAK).name} 0.40" in text
    assert "77% of what it learned from are scans at 2 mm" in text
    assert "Not a medical device" in text
    assert "## Accuracy on the test images" not in text


def test_given_test_images_when_written_then_their_table_follows(card: dict[str, Any]) -> None:
    card["test"] = card["validation"]

    assert model_card(card).index("the validation images") < model_card(card).index(
        "the test images"
    )


def test_given_weights_that_a_training_began_with_when_written_then_they_are_named(
    card: dict[str, Any],
) -> None:
    card["training"]["began_with"] = {"sha256": "fedcba98" * 8, "steps": 5000, "hours": 4.4}

    assert "began with the weights `fedcba98fedc` of 5000 steps and 4.4 hours" in model_card(card)
    assert "counted here. The settings that follow" in model_card(card)
    card["training"]["note"] = "The first of them were a trial's."
    assert "counted here. The first of them were a trial's. The settings" in model_card(card)


def test_given_masks_of_two_kinds_when_written_then_the_further_ones_are_named(
    card: dict[str, Any],
) -> None:
    card["training"]["also_masks"] = {"deepbet": 120}

    assert "120 of the images came, by a coin each epoch, with deepbet's brain mask" in model_card(
        card
    )


def test_given_figures_from_elsewhere_when_written_then_they_are_named_as_such_and_others_have_none(
    card: dict[str, Any],
) -> None:
    assert "does not hold" not in model_card(card)
    card["elsewhere"] = ["Five people scanned twice: 2 %."]

    text = model_card(card)

    assert "## On heads that the project does not hold" in text
    assert "\n- Five people scanned twice: 2 %.\n" in text


@pytest.mark.parametrize("model", NETWORKS)
def test_given_the_weights_that_ship_then_their_page_is_their_card_s(model: Network) -> None:
    folder = CHECKOUT / model
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert (folder / "README.md").read_text(encoding="utf-8") == model_card(card)


def test_given_a_card_when_logged_then_it_is_one_row_of_the_log(card: dict[str, Any]) -> None:
    line = log_line(card)

    assert line.count("|") == 10
    assert "| 12000 | 9.5 | AdamW 0.002, EMA 0.995 |" in line
    assert line.endswith("`0123456789ab` |\n")
