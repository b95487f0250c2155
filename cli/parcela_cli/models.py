"""``parcela models``."""

from __future__ import annotations

from parcela_inference.card import MODELS, read_card


def list_models() -> None:
    """Print each network's card in short; the whole card lies beside the weights."""
    for name in MODELS:
        card = read_card(name)
        validation = card.record.get("validation", {})
        mean = validation.get("mean_dice")
        print(
            f"{name}\t{card.variant}\tvalidation Dice {mean}\tsha256 {card.sha256[:12]}…\t"
            f"{card.path.parent / 'README.md'}"
        )
