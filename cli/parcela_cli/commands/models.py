"""``parcela models``: the networks that ship."""

from __future__ import annotations

from typing import Annotated

import typer

from parcela.options import Network


def models(
    model: Annotated[
        Network | None,
        typer.Argument(metavar="[unet|highresnet|warp]", help="Its regions, the weakest first."),
    ] = None,
) -> None:
    """List the networks that ship: variant, Dice, hash, and where the card of each lies; or one network's regions."""
    if model is None:
        _list_models()
    else:
        _list_regions(model)


def _list_models() -> None:
    """Print each network's card in short; the whole card lies beside the weights."""
    from parcela.weights.cards import installed

    for card in installed():
        measured = [
            f"{part} Dice {card.record[part].get('mean_dice')}"
            for part in ("validation", "test")
            if part in card.record
        ]
        hashed, page = f"sha256 {card.sha256[:12]}…", str(card.path.parent / "README.md")
        print("\t".join([card.model, card.variant, *measured, hashed, page]))


def _list_regions(model: Network) -> None:
    """Print one network's median Dice of each region on the images that its card knows best, the weakest first."""
    from parcela.weights.cards import read_card

    record = read_card(model).record
    part = "test" if "test" in record else "validation"
    print(f"region\tmedian Dice on {record[part]['subjects']} {part} images")
    medians = record[part]["median_dice_per_region"]
    for name, dice in sorted(medians.items(), key=lambda item: item[1]):
        print(f"{name}\t{dice:.4f}")
