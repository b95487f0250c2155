"""The table of plausible classes: made from labels, written beside the weights, and read back by prediction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from parcela.errors import Unavailable
from parcela.settings import settings
from parcela.weights.cards import PLAUSIBLE
from parcela_inference.weights import plausible_classes
from parcela_training.publish.plausible import plausible_table, write_plausible
from training.prepared_images import made_up_cohort


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of weights that the settings name, with a card that speaks of no table."""
    monkeypatch.setenv("PARCELA_WEIGHTS", str(tmp_path / "weights"))
    settings.cache_clear()
    plausible_classes.cache_clear()
    (tmp_path / "weights" / "unet").mkdir(parents=True)
    write_card(tmp_path / "weights", {})
    yield tmp_path / "weights"
    settings.cache_clear()
    plausible_classes.cache_clear()


def write_card(weights: Path, more: dict[str, object]) -> None:
    card = {"model": "unet", "variant": "modern", "sha256": "0" * 64, **more}
    (weights / "unet" / "card.json").write_text(json.dumps(card))


def test_given_label_maps_then_a_block_can_hold_what_one_has_there_or_two_voxels_away() -> None:
    first, second = (np.zeros((20, 30, 25), np.uint8) for _ in range(2))
    first[13, 13, 13] = 7
    second[5, 5, 5] = 9
    table = plausible_table([first, second], (20, 30, 25))
    assert table.shape == (2, 3, 3, 117)
    assert table[..., 0].all()
    reached = {tuple(place) for place in np.argwhere(table[..., 7]).tolist()}
    assert reached == {(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)}
    assert np.argwhere(table[..., 9]).tolist() == [[0, 0, 0]]
    assert table[..., 1:].sum() == 9


def test_given_a_table_when_written_then_prediction_reads_it_and_a_damaged_one_is_refused(
    weights: Path, tmp_path: Path
) -> None:
    prepared = made_up_cohort(tmp_path / "small")
    assert plausible_classes("unet") is None
    plausible_classes.cache_clear()

    write_card(weights, {"plausible": write_plausible(prepared, weights / "unet")})

    table = plausible_classes("unet")
    assert table is not None
    assert table.shape == (*(-(-n // 12) for n in prepared.shape), 117)
    assert table[..., 1:].any()
    plausible_classes.cache_clear()
    file = weights / "unet" / PLAUSIBLE
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(
        Unavailable, match=r"plausible\.safetensors is not the file its card speaks of"
    ):
        plausible_classes("unet")
