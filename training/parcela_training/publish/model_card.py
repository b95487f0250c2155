"""The model card for people, and the log's line, written from the machine-readable card."""

from __future__ import annotations

from typing import Any

TITLES = {"unet": "U-Net", "highresnet": "HighResNet"}
VARIANTS = {
    ("unet", "modern"): "modern",
    ("highresnet", "modern"): "modern (no final ReLU)",
    ("highresnet", "thesis"): "thesis",
    ("unet", "thesis"): "thesis",
}
ARCHITECTURE = {
    "unet": "MONAI `UNet`, channels (16, 32, 64, 128, 256), strides 2, two residual units; 5.28 million parameters",
    "highresnet": "MONAI `HighResNet` with its default layers; 0.82 million parameters",
}
DATA_SETS = {
    "IXI": "[IXI](https://brain-development.org/ixi-dataset/), CC BY-SA 3.0: adults of 20 to 79 years, here at 2 mm, "
    "whole heads stripped with ROBEX",
    "ds002748": "[OpenNeuro ds002748](https://openneuro.org/datasets/ds002748/versions/1.0.5), CC0: adults, "
    "0.87×0.87×1 mm, already skull-stripped",
}
NOT_FOR = (
    "**Not a medical device**, and not evaluated for diagnosis, for lesions, tumours or resections, for children, or "
    "for anything but T1-weighted contrast."
)
ANATOMIST = "Agreement with an automatic registration is not agreement with an anatomist."
PARTS = {"validation": "validation", "test": "test"}


def model_card(card: dict[str, Any]) -> str:
    """Markdown: what the network is, what it learned from, how well it does, what it is not."""
    sections = [
        f"# {TITLES[card['model']]}: 116 AAL regions from a T1-weighted brain",
        _what(card),
        _data(card),
        _training(card),
        *(_accuracy(card, part) for part in PARTS if part in card),
        _noise(card),
        _limits(card),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def log_line(card: dict[str, Any]) -> str:
    """One row of ``weights/LOG.md``."""
    training, validation = card["training"], card["validation"]
    dice, how = validation["all"], training["settings"]
    average = f", EMA {how['ema_decay']:g}" if how["ema_decay"] else ""
    return (
        f"| {card['published']} | {TITLES[card['model']]}, {card['variant']} | {training['steps']} "
        f"| {training['hours']} | {_optimiser(how)} {how['learning_rate']:g}{average} "
        f"| {dice['mean']:.4f} ± {dice['sd']:.4f} (n = {dice['n']}) "
        f"| {validation['regions_found_in_every_image_at_least']} "
        f"| {len(validation['regions_with_median_0'])} | `{card['sha256'][:12]}` |\n"
    )


def _what(card: dict[str, Any]) -> str:
    return (
        f"{ARCHITECTURE[card['model']]}. Variant: {card['variant']}. The parameters carry MONAI's own names, so the "
        "plain MONAI network loads them.\n\n"
        f"- Input: {card['input']}; {_shape(card['grid'])} voxels, padded with {card['padding']} to "
        f"{_shape(card['padded_grid'])}.\n"
        f"- Output: scores of {card['classes']} classes, the background and the 116 regions.\n"
        f"- File: `model.safetensors`, {card['dtype']}, SHA-256 `{card['sha256']}`."
    )


def _data(card: dict[str, Any]) -> str:
    training = card["training"]
    counts = ", ".join(f"{count} of {name}" for name, count in training["data"].items())
    sources = [
        f"- {DATA_SETS.get(name, f'{name}: see its own licence')}" for name in training["data"]
    ]
    return (
        f"## Data and licences\n\nTrained on {training['images']} images of {training['subjects']} subjects "
        f"({counts}). "
        "The weights derive from:\n\n" + ";\n".join(sources) + ".\n\n"
        f"The labels are a bronze standard ({training['labels']}). Nobody drew or corrected them: the network "
        "learns the registration's errors too, and every Dice below is agreement with that registration."
    )


def _training(card: dict[str, Any]) -> str:
    training, how = card["training"], card["training"]["settings"]
    schedule = f"{how['schedule']} after {how['warm_up_steps']} steps of warm-up"
    facts = [
        f"{training['steps']} steps of {_volumes(how['batch'])}, {training['hours']} hours on {training['hardware']}.",
        *_began_with(training.get("began_with")),
        f"{_optimiser(how)}, learning rate {how['learning_rate']:g}, {schedule}, weight decay {how['weight_decay']:g};",
        f"loss: {how['loss']}; precision {how['precision']}; seed {how['seed']}.",
    ]
    if how["ema_decay"]:
        facts.append(
            f"The file holds the exponential moving average of the weights (decay {how['ema_decay']:g})."
        )
    facts.append(_augmentation(how["augmentation"]))
    text = "## Training\n\n" + " ".join(facts) + " Every setting is in `card.json`."
    return f"{text}\n\n{_curve(training, how)}" if training.get("curve") else text


def _curve(training: dict[str, Any], how: dict[str, Any]) -> str:
    images = how["validation_images"]
    judged = f"{images} validation images" if images else "the validation images"
    points = ", ".join(f"{steps} {dice:.3f}" for steps, dice in training["curve"])
    return f"Mean-117 Dice on {judged} after so many steps: {points}."


def _began_with(earlier: dict[str, Any] | None) -> list[str]:
    if earlier is None:
        return []
    weights, steps, hours = earlier["sha256"][:12], earlier["steps"], earlier["hours"]
    counted = f"{steps} steps and {hours} hours, which are counted here"
    return [
        f"The last run began with the weights `{weights}` of {counted}; the settings that follow are that run's."
    ]


def _augmentation(how: dict[str, Any] | None) -> str:
    if how is None:
        return "No augmentation."
    flips = "left–right flips" if how.get("flip_chance") else "no left–right flips"
    return (
        "Augmentation: contrast, bias field, noise, resolution, the brain mask's edge, small rotations, scalings and "
        f"shifts, elastic warps; {flips}."
    )


def _accuracy(card: dict[str, Any], part: str) -> str:
    measured = card[part]
    rows = [("all", measured["all"]), *measured["per_data_set"].items()]
    table = "\n".join(
        f"| {name} | {dice['n']} | {dice['mean']:.4f} ± {dice['sd']:.4f} |" for name, dice in rows
    )
    ranked = sorted(measured["median_dice_per_region"].items(), key=lambda item: float(item[1]))
    dead = ", ".join(measured["regions_with_median_0"]) or "none"
    precision = card.get("computed_in", "bfloat16")
    without, unopened = measured["without_background"], measured["against_unopened"]
    return (
        f"## Accuracy on the {PARTS[part]} images\n\nDice per image, then mean ± SD over images, at "
        f"{_shape(card['grid'])}, from these 16-bit weights, computed in {precision}. Mean-117 is the mean over 117 "
        "classes, the background among them:\n\n"
        f"| data | images | mean-117 Dice |\n|---|---|---|\n{table}\n\n"
        f"Mean-116, the regions alone: {without['mean']:.4f} ± {without['sd']:.4f}. Mean-117 against the labels before "
        f"their opening: {unopened['mean']:.4f} ± {unopened['sd']:.4f}.\n\n"
        f"Regions with at least one voxel right, in the worst image: "
        f"{measured['regions_found_in_every_image_at_least']} of 116. Regions with median Dice 0: {dead}.\n\n"
        f"Weakest, by median: {_named(ranked[:10])}.\n\nBest: {_named(ranked[:-6:-1])}. All 116 are in `card.json`."
    )


def _noise(card: dict[str, Any]) -> str:
    noise = card["label_noise"]
    if noise is None:
        return ""
    return (
        "## The ceiling\n\nThe labels are not sharper than the registration that made them: registered twice with two "
        f"seeds, {noise['images']} validation images agree with themselves at a mean-117 Dice of "
        f"{noise['mean_dice']:.4f}. Nothing that learns from such labels can be shown to do better than that."
    )


def _limits(card: dict[str, Any]) -> str:
    part = "test" if "test" in card else "validation"
    measured = card[part]
    weak = [name for name, dice in measured["median_dice_per_region"].items() if dice < 0.7]
    points = [NOT_FOR, _sources(card["training"]["data"]), ANATOMIST]
    if weak:
        points.append(
            f"Small and thin regions are the least certain; below a median Dice of 0.7 on the {PARTS[part]} images: "
            f"{', '.join(weak)}."
        )
    return "## Limits\n\n" + "\n".join(f"- {point}" for point in points)


def _sources(data: dict[str, int]) -> str:
    known = ""
    if set(data) == {"IXI", "ds002748"}:
        share = data["IXI"] / sum(data.values())
        known = (
            f"{share:.0%} of what it learned from are scans at 2 mm, and the rest came already skull-stripped: thin "
            "cortex at 1 mm, and whole heads at 1 mm stripped by other means, are what it has seen least of. "
        )
    number = {1: "One source", 2: "Two sources"}.get(len(data), f"{len(data)} sources")
    return f"{known}{number} of scans only; other scanners and sequences may do worse."


def _optimiser(how: dict[str, Any]) -> str:
    return {"adam": "Adam", "adamw": "AdamW"}[how["optimiser"]]


def _volumes(batch: int) -> str:
    return "one volume" if batch == 1 else f"{batch} volumes"


def _shape(shape: list[int]) -> str:
    return "×".join(str(size) for size in shape)


def _named(ranked: list[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {dice:.2f}" for name, dice in ranked)
