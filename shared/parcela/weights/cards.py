"""The networks that ship, and their cards: read without loading a library, so that asking is quick.

A folder per network: ``model.safetensors``, ``card.json`` (what they are, with their SHA-256) and ``README.md`` (the
model card for people); beside the U-Net's, ``plausible.safetensors``, the classes that each block of the grid may have.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parcela.errors import BadRequest, Unavailable
from parcela.options import NETWORKS, ModelChoice, Network, networks_of
from parcela.settings import settings

INSTALLED = Path(__file__).parent / "files"  # where the wheel puts them
PLAUSIBLE = "plausible.safetensors"
CHECKOUT = Path(__file__).parents[3] / "weights"


@dataclass(frozen=True)
class Card:
    """A network's card and where its weights lie."""

    model: Network
    variant: str
    sha256: str
    path: Path
    record: dict[str, Any]

    @property
    def plausible(self) -> str | None:
        """SHA-256 of the table of plausible classes; None where there is none."""
        table = self.record.get("plausible")
        return None if table is None else str(table["sha256"])


def weights_folder() -> Path:
    """Where the weights are: the setting, else where the wheel puts them, else the checkout's ``weights/``."""
    return settings().weights or (INSTALLED if INSTALLED.is_dir() else CHECKOUT)


def installed() -> list[Card]:
    """The cards of the networks that the folder of weights holds; one's own may hold some alone.

    Raises:
        Unavailable: it holds none, or a card is damaged.
    """
    return [read_card(name) for name in _held() or NETWORKS]


def _held() -> list[Network]:
    return [name for name in NETWORKS if (weights_folder() / name / "card.json").is_file()]


def read_card(model: Network) -> Card:
    """The card of one network.

    Raises:
        BadRequest: no such network. Unavailable: its weights are not installed, or the card is damaged.
    """
    if model not in NETWORKS:
        raise BadRequest(f"there is no network called {model!r}: choose from {', '.join(NETWORKS)}")
    folder = weights_folder() / model
    try:
        record = json.loads((folder / "card.json").read_text())
        return Card(
            model, record["variant"], record["sha256"], folder / "model.safetensors", record
        )
    except FileNotFoundError as error:
        held = " or ".join(_held())
        choice = f"choose the model {held}, " if held else ""
        raise Unavailable(
            f"no weights for {model} in {folder}: {choice}reinstall Parcela, or set PARCELA_WEIGHTS"
        ) from error
    except (KeyError, json.JSONDecodeError) as error:
        raise Unavailable(
            f"{folder}/card.json is damaged ({error!r}): reinstall Parcela"
        ) from error


def hashes_of(model: ModelChoice) -> dict[str, str | None]:
    """SHA-256 of the weights in use, by network; raises as `read_card` does."""
    return {network: read_card(network).sha256 for network in networks_of(model)}
