"""The trained weights that ship: checked against their card, and loaded once. Safetensors, never pickle."""

from __future__ import annotations

from functools import cache

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from parcela.errors import Unavailable
from parcela.files import sha256_of
from parcela.options import Network, Preset
from parcela.weights.cards import Card, read_card
from parcela_inference.networks import build


def load_weights(card: Card) -> dict[str, torch.Tensor]:
    """The tensors, in float32, once their bytes have the card's hash.

    Raises:
        Unavailable: missing, damaged, or another file than the card speaks of.
    """
    try:
        sha256 = sha256_of(card.path)
        if sha256 != card.sha256:
            raise Unavailable(
                f"{card.path} is not the file its card speaks of (SHA-256 {sha256[:12]}…): reinstall Parcela"
            )
        return {name: tensor.float() for name, tensor in load_file(card.path).items()}
    except (OSError, SafetensorError) as error:
        raise Unavailable(f"{card.path} cannot be read ({error}): reinstall Parcela") from error


@cache
def network(model: Network, device: str) -> torch.nn.Module:
    """The trained network in evaluation mode on ``device``, loaded once a process."""
    card = read_card(model)
    variant: Preset = "thesis" if card.variant.startswith("thesis") else "modern"
    built = build(model, variant)
    built.load_state_dict(load_weights(card))
    return built.eval().requires_grad_(False).to(device)
