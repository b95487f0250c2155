"""``parcela models``."""

from __future__ import annotations

from parcela.weights.cards import MODELS, Model, read_card


def list_models() -> None:
    """Print each network's card in short; the whole card lies beside the weights."""
    for name in MODELS:
        card = read_card(name)
        measured = [
            f"{part} Dice {card.record[part].get('mean_dice')}"
            for part in ("validation", "test")
            if part in card.record
        ]
        hashed, page = f"sha256 {card.sha256[:12]}…", str(card.path.parent / "README.md")
        print("\t".join([name, card.variant, *measured, hashed, page]))


def list_regions(model: Model) -> None:
    """Print one network's median Dice of each region on the images that its card knows best, the weakest first."""
    record = read_card(model).record
    part = "test" if "test" in record else "validation"
    print(f"region\tmedian Dice on {record[part]['subjects']} {part} images")
    medians = record[part]["median_dice_per_region"]
    for name, dice in sorted(medians.items(), key=lambda item: item[1]):
        print(f"{name}\t{dice:.4f}")
