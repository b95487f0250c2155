"""A trained network as weights that prediction loads."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parcela.errors import BadRequest
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.settings import settings
from parcela.weights.cards import read_card
from parcela_inference.weights import load_weights
from parcela_training.publish.publish import Publication, publish
from parcela_training.training.budget import Budget
from parcela_training.training.presets import demo
from parcela_training.training.record import RECORD, load_network
from parcela_training.training.train import train
from training.prepared_images import made_up_cohort


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A U-Net after one step on small images."""
    folder = tmp_path_factory.mktemp("run")
    small = made_up_cohort(folder / "small")
    train(replace(demo("unet"), budget=Budget(steps=1)), small, folder / "unet")
    return folder


def test_given_images_of_another_grid_when_published_then_it_is_refused(
    run: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match=r"train on that grid"):
        publish(Publication(run, "unet", tmp_path, run / "small"), lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_given_a_network_that_was_not_trained_when_published_then_it_is_refused(
    run: Path, tmp_path: Path
) -> None:
    whole = made_up_cohort(tmp_path / "whole", MODEL_SHAPE, parts={"val": 1})

    with pytest.raises(BadRequest, match="no highresnet in it"):
        publish(Publication(run, "highresnet", tmp_path / "w", whole.folder), lambda _: None)


@pytest.mark.slow
def test_given_a_network_when_published_then_prediction_loads_it_and_its_card_says_what_it_is(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up_cohort(tmp_path / "whole", MODEL_SHAPE, "modern", {"train": 1, "val": 1})
    shutil.copytree(run / "unet", tmp_path / "unfinished")
    (tmp_path / "unfinished" / RECORD).unlink()  # as of a run that is still going on
    weights = tmp_path / "weights"
    wanted = Publication(tmp_path / "unfinished", "unet", weights, tmp_path / "whole", noise=0)

    card = publish(wanted, lambda _: None)

    monkeypatch.setenv("PARCELA_WEIGHTS", str(weights))
    settings.cache_clear()
    try:
        loaded, own = load_weights(read_card("unet")), load_network(run / "unet").state_dict()
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    for name, value in own.items():
        np.testing.assert_allclose(loaded[name], value, atol=1e-3)
    file = (weights / "unet" / "model.safetensors").read_bytes()
    assert card["sha256"] == hashlib.sha256(file).hexdigest()
    assert json.loads((weights / "unet" / "card.json").read_text(encoding="utf-8")) == card
    assert (card["training"]["steps"], card["training"]["data"]) == (1, {"made-up B": 1})
    assert card["validation"]["all"]["n"] == 1
    assert "made-up B: see its own licence" in (weights / "unet" / "README.md").read_text("utf-8")
    assert (weights / "LOG.md").read_text(encoding="utf-8").startswith("| 20")
    assert [path.name for path in (weights / "unet").glob("*.part")] == []
