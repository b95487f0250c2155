"""The model card for people, and the log's line, written from the machine-readable card."""

from __future__ import annotations

from typing import Any

from parcela.bundle.page import render_text
from parcela_training.options import TITLES

VARIANTS = {
    ("unet", "modern"): "modern",
    ("highresnet", "modern"): "modern (no final ReLU)",
    ("highresnet", "thesis"): "thesis",
    ("unet", "thesis"): "thesis",
    ("warp", "modern"): "modern",
}
ARCHITECTURE = {
    "unet": "MONAI `UNet`, channels (16, 32, 64, 128, 256), strides 2, two residual units; 5.28 million parameters",
    "highresnet": "MONAI `HighResNet` with its default layers; 0.82 million parameters",
    "warp": "Parcela's own, and not the thesis's. A small network finds how the head lies (an affine transform). A "
    "second one sees the aligned head beside Colin27, the head that the atlas was drawn on, and bends the one onto the "
    "other: it gives a smooth velocity on 24×32×28 points, and scaling and squaring make that a displacement that can "
    "be undone. 7.8 million parameters, and the atlas's regions as the labels of the training images have them",
}
LOADED_BY = {
    "monai": "The parameters carry MONAI's own names, so the plain MONAI network loads them.",
    "parcela": "`parcela_inference.registration.network.RegistrationNetwork` loads the parameters.",
}
OUTPUT = {
    "monai": "scores of {classes} classes, the background and the 116 regions",
    "parcela": "where each place of the head lies in the atlas; the atlas's region there is the label. The order of "
    "the anatomy is kept: no region is torn, none is left out",
}
DATA_SETS = {
    "IXI": "[IXI](https://brain-development.org/ixi-dataset/), CC BY-SA 3.0: adults of 20 to 79 years, here at 2 mm, "
    "whole heads stripped with ROBEX",
    "ds002748": "[OpenNeuro ds002748](https://openneuro.org/datasets/ds002748/versions/1.0.5), CC0: adults, "
    "0.87×0.87×1 mm, already skull-stripped",
}
CURVE_NOTES = {
    "warp": " These figures are of a quicker way to predict: one pass, whole voxels, and the atlas's regions as they "
    "were before the training images' labels set them. Parcela predicts in two passes and takes shares of voxels. So "
    "the figures below are higher.",
}
SCHEDULES = {
    "constant": "then constant",
    "cosine": "then on a cosine to 0",
    "late": "then constant for 70 % of the budget, then linear to 0",
}
OPTIMISERS = {"adam": "Adam", "adamw": "AdamW"}
SOURCES = {1: "One source", 2: "Two sources"}
PARTS = ("validation", "test")
WEAK_DICE = 0.7


def model_card(card: dict[str, Any]) -> str:
    """Markdown: what the network is, what it learned from, how well it does, what it is not."""
    training = card["training"]
    measurements = {part: card[part] for part in PARTS if part in card}
    by_median = {part: _by_median(measured) for part, measured in measurements.items()}
    part = list(measurements)[-1]
    maker = "parcela" if card["model"] == "warp" else "monai"
    medians = measurements[part]["median_dice_per_region"]
    return render_text(
        __package__,
        "model_card.md.jinja",
        card=card,
        title=TITLES[card["model"]],
        architecture=ARCHITECTURE[card["model"]],
        loaded_by=LOADED_BY[maker],
        output=OUTPUT[maker].format(**card),
        data_sets=DATA_SETS,
        training=training,
        how=training["settings"],
        optimiser=OPTIMISERS[training["settings"]["optimiser"]],
        curve_note=CURVE_NOTES.get(card["model"], ""),
        schedule=SCHEDULES[training["settings"]["schedule"]],
        measurements=measurements,
        by_median=by_median,
        sources=_sources(training["data"]),
        part=part,
        weak=[name for name, dice in medians.items() if dice < WEAK_DICE],
    )


def log_line(card: dict[str, Any]) -> str:
    """One row of ``weights/LOG.md``."""
    training, validation = card["training"], card["validation"]
    dice, how = validation["all"], training["settings"]
    average = f", EMA {how['ema_decay']:g}" if how["ema_decay"] else ""
    return (
        f"| {card['published']} | {TITLES[card['model']]}, {card['variant']} | {training['steps']} "
        f"| {training['hours']} | {OPTIMISERS[how['optimiser']]} {how['learning_rate']:g}{average} "
        f"| {dice['mean']:.4f} ± {dice['sd']:.4f} (n = {dice['n']}) "
        f"| {validation['regions_found_in_every_image_at_least']} "
        f"| {len(validation['regions_with_median_0'])} | `{card['sha256'][:12]}` |\n"
    )


def _by_median(measured: dict[str, Any]) -> list[tuple[str, float]]:
    """The regions from the worst to the best."""
    return sorted(measured["median_dice_per_region"].items(), key=lambda item: float(item[1]))


def _sources(data: dict[str, int]) -> str:
    number = SOURCES.get(len(data), f"{len(data)} sources")
    if set(data) != {"IXI", "ds002748"}:
        return number
    share = data["IXI"] / sum(data.values())
    return (
        f"{share:.0%} of what it learned from are scans at 2 mm, and the rest came already skull-stripped: thin "
        f"cortex at 1 mm, and whole heads at 1 mm stripped by other means, are what it has seen least of. {number}"
    )
