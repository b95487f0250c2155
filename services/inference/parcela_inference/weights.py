"""The trained weights that ship with Parcela: found, checked against their card, and loaded once.

A folder per network: ``model.safetensors`` (never pickle), ``card.json`` (what they are, with their SHA-256) and
``README.md`` (the model card for people).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from parcela.errors import BadRequest, Unavailable
from parcela.settings import settings
from parcela_inference.networks import Model, Variant, build

MODELS: tuple[Model, ...] = get_args(Model)
PACKAGED = Path(__file__).parent / "weights"
CHECKOUT = Path(__file__).parents[3] / "weights"


@dataclass(frozen=True)
class Card:
    """A network's card and where its weights lie."""

    model: Model
    variant: str
    sha256: str
    path: Path
    record: dict[str, Any]


def weights_folder() -> Path:
    """Where the weights are: the setting, else inside the installed package, else the checkout's ``weights/``."""
    return settings().weights or (PACKAGED if PACKAGED.is_dir() else CHECKOUT)


def read_card(model: Model) -> Card:
    """The card of one network.

    Raises:
        BadRequest: no such network. Unavailable: its weights are not installed, or the card is damaged.
    """
    if model not in MODELS:
        raise BadRequest(f"there is no network called {model!r}: choose from {', '.join(MODELS)}")
    folder = weights_folder() / model
    try:
        record = json.loads((folder / "card.json").read_text())
        return Card(
            model, record["variant"], record["sha256"], folder / "model.safetensors", record
        )
    except FileNotFoundError as error:
        raise Unavailable(
            f"no weights for {model} in {folder}: reinstall Parcela, or set PARCELA_WEIGHTS"
        ) from error
    except (KeyError, json.JSONDecodeError) as error:
        raise Unavailable(
            f"{folder}/card.json is damaged ({error!r}): reinstall Parcela"
        ) from error


def load_weights(card: Card) -> dict[str, torch.Tensor]:
    """The tensors, in float32, once their bytes have the card's hash.

    Raises:
        Unavailable: missing, damaged, or another file than the card speaks of.
    """
    try:
        found = hashlib.sha256(card.path.read_bytes()).hexdigest()
        if found != card.sha256:
            raise Unavailable(
                f"{card.path} is not the file its card speaks of (SHA-256 {found[:12]}…): reinstall Parcela"
            )
        return {name: tensor.float() for name, tensor in load_file(card.path).items()}
    except (OSError, SafetensorError) as error:
        raise Unavailable(f"{card.path} cannot be read ({error}): reinstall Parcela") from error


@cache
def network(model: Model, device: str) -> torch.nn.Module:
    """The trained network in evaluation mode on ``device``, loaded once a process."""
    card = read_card(model)
    variant: Variant = "thesis" if card.variant.startswith("thesis") else "modern"
    built = build(model, variant)
    built.load_state_dict(load_weights(card))
    return built.eval().requires_grad_(False).to(device)
