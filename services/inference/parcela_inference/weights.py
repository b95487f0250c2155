"""The trained weights that ship: checked against their card, and loaded once. Safetensors, never pickle."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from parcela.atlas.aal import CLASS_COUNT
from parcela.errors import Unavailable
from parcela.files import sha256_of
from parcela.options import Network, Preset
from parcela.weights.cards import PLAUSIBLE, Card, read_card
from parcela_inference.networks import build


def load_weights(card: Card) -> dict[str, torch.Tensor]:
    """The tensors as the file has them, once its bytes have the card's hash.

    Raises:
        Unavailable: missing, damaged, or another file than the card speaks of.
    """
    return _checked(card.path, card.sha256)


@cache
def network(model: Network, device: str) -> torch.nn.Module:
    """The trained network in evaluation mode on ``device``, loaded once a process."""
    card = read_card(model)
    variant: Preset = "thesis" if card.variant.startswith("thesis") else "modern"
    built = build(model, variant)
    built.load_state_dict(load_weights(card))
    return built.eval().requires_grad_(False).to(device)


@cache
def plausible_classes(model: Network) -> torch.Tensor | None:
    """Which classes each block of the model's grid may have, (i, j, k, 117) bool; None for weights without that table.

    Raises:
        Unavailable: as ``load_weights`` does.
    """
    card = read_card(model)
    if card.plausible is None:
        return None
    packed = _checked(card.path.with_name(PLAUSIBLE), card.plausible)["classes"]
    return torch.from_numpy(np.unpackbits(packed.numpy(), axis=-1, count=CLASS_COUNT).astype(bool))


def _checked(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    try:
        present = sha256_of(path)
        if present != sha256:
            raise Unavailable(
                f"{path} is not the file its card speaks of (SHA-256 {present[:12]}…): reinstall Parcela"
            )
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise Unavailable(f"{path} cannot be read ({error}): reinstall Parcela") from error
