"""The cards of the networks that ship, read without loading anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from parcela.errors import BadRequest, Unavailable
from parcela.options import NETWORKS, Network
from parcela.settings import settings
from parcela.weights.cards import installed, read_card


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of weights that the settings name."""
    monkeypatch.setenv("PARCELA_WEIGHTS", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.mark.parametrize("model", NETWORKS)
def test_given_a_network_that_ships_then_its_card_leads_to_its_weights(model: Network) -> None:
    card = read_card(model)
    assert card.model == card.record["model"] == model
    assert card.path.is_file()


def test_given_a_folder_of_one_s_own_then_it_may_hold_some_networks_alone(weights: Path) -> None:
    with pytest.raises(Unavailable, match="no weights for unet"):
        installed()
    folder = weights / "highresnet"
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps({"variant": "thesis", "sha256": "ab"}))

    assert [card.model for card in installed()] == ["highresnet"]
    with pytest.raises(Unavailable, match=r"no weights for warp .*: choose the model highresnet"):
        read_card("warp")


def test_given_an_unknown_network_when_asked_for_then_the_known_ones_are_named() -> None:
    with pytest.raises(BadRequest, match="choose from unet, highresnet"):
        read_card(cast(Network, "vgg"))


def test_given_no_weights_or_a_damaged_card_when_read_then_it_says_what_to_do(
    weights: Path,
) -> None:
    with pytest.raises(Unavailable, match="no weights for unet"):
        read_card("unet")
    (weights / "unet").mkdir()
    for text in ("{", json.dumps({"variant": "modern"})):
        (weights / "unet" / "card.json").write_text(text)
        with pytest.raises(Unavailable, match="is damaged"):
            read_card("unet")
