"""The model card for people, and the log's line, written from the machine-readable card."""

from __future__ import annotations

from typing import Any

TITLES = {"unet": "U-Net", "highresnet": "HighResNet"}
ARCHITECTURE = {
    "unet": "MONAI `UNet`, channels (16, 32, 64, 128, 256), strides 2, two residual units; "
    "5.28 million parameters",
    "highresnet": "MONAI `HighResNet` with its default layers; 0.82 million parameters",
}


def model_card(card: dict[str, Any]) -> str:
    """Markdown: what the network is, what it learned from, how well it does, what it is not."""
    return (
        "\n\n".join(
            [
                f"# {TITLES[card['model']]}: 116 AAL regions from a T1-weighted brain",
                _what(card),
                _data(card),
                _training(card),
                _validation(card),
                _limits(),
            ]
        )
        + "\n"
    )


def log_line(card: dict[str, Any]) -> str:
    """One row of ``weights/LOG.md``."""
    training, found = card["training"], card["validation"]
    dice = found["all"]
    settings = training["settings"]
    return (
        f"| {card['published']} | {TITLES[card['model']]}, {card['variant']} | {training['steps']} "
        f"| {training['hours']} | AdamW {settings['learning_rate']:g}, "
        f"EMA {settings['ema_decay']:g} | {dice['mean']:.4f} ± {dice['sd']:.4f} (n = {dice['n']}) "
        f"| {found['regions_present_in_every_map_at_least']} "
        f"| {len(found['regions_with_median_0'])} | `{card['sha256'][:12]}` |\n"
    )


def _what(card: dict[str, Any]) -> str:
    return (
        f"{ARCHITECTURE[card['model']]}. Variant: {card['variant']}. The parameters carry MONAI's "
        "own names, so the plain MONAI network loads them.\n\n"
        f"- Input: {card['input']}; {_shape(card['grid'])} voxels, padded with "
        f"{card['padding']} to {_shape(card['padded_grid'])}.\n"
        f"- Output: scores of {card['classes']} classes, the background and the 116 regions.\n"
        f"- File: `model.safetensors`, {card['dtype']}, SHA-256 `{card['sha256']}`."
    )


def _data(card: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} of {name}" for name, count in card["training"]["data"].items())
    return (
        "## Data and licences\n\n"
        f"Trained on {card['training']['subjects']} adults ({counts}). The weights derive from:\n\n"
        "- [IXI](https://brain-development.org/ixi-dataset/), CC BY-SA 3.0, here at 2 mm, whole "
        "heads stripped with ROBEX;\n"
        "- [OpenNeuro ds002748](https://openneuro.org/datasets/ds002748/versions/1.0.5), CC0, "
        "0.87×0.87×1 mm, already skull-stripped.\n\n"
        "The labels are a bronze standard: the AAL atlas registered to each brain with ANTs SyN, "
        "then opened region by region, each removed voxel given to its nearest region. Nobody "
        "drew or corrected them: the networks learn the registration's errors too, and every "
        "Dice below is agreement with that registration."
    )


def _training(card: dict[str, Any]) -> str:
    training = card["training"]
    settings = training["settings"]
    return (
        "## Training\n\n"
        f"{training['steps']} steps of one volume, {training['hours']} hours on "
        f"{training['hardware']}. AdamW, learning rate {settings['learning_rate']:g} with "
        f"{settings['warm_up_steps']} steps of warm-up and a cosine, weight decay "
        f"{settings['weight_decay']:g}, gradients clipped at {settings['clip_norm']:g}; "
        f"cross-entropy plus soft Dice, plus {settings['balanced_weight']:g} of the cross-entropy "
        f"averaged by region. The run was started {len(training['history'])} times, its planned "
        "length and a few settings changed on the way: `history` in `card.json` has each. "
        "The file holds the exponential moving average of the "
        f"weights (decay {settings['ema_decay']:g}). Augmentation: contrast, bias field, noise, "
        "small rotations, scalings and shifts; no left–right flips."
    )


def _validation(card: dict[str, Any]) -> str:
    found = card["validation"]
    rows = [("all", found["all"]), *found["per_data_set"].items()]
    table = "\n".join(
        f"| {name} | {dice['n']} | {dice['mean']:.4f} ± {dice['sd']:.4f} |" for name, dice in rows
    )
    ranked = sorted(found["median_dice_per_region"].items(), key=lambda item: float(item[1]))
    dead = ", ".join(found["regions_with_median_0"]) or "none"
    return (
        "## Validation\n\n"
        f"On {found['subjects']} of the 25 frozen validation subjects, at "
        f"{_shape(card['grid'])}, mean of 117 Dice per image (background counted), mean ± SD over "
        "images, predicted in bf16:\n\n| data | images | mean-117 Dice |\n|---|---|---|\n"
        f"{table}\n\n"
        f"Regions present in every predicted map: at least "
        f"{found['regions_present_in_every_map_at_least']}. Regions with median Dice 0: {dead}.\n\n"
        f"Weakest: {_named(ranked[:10])}.\n\nBest: {_named(ranked[:-6:-1])}."
    )


def _limits() -> str:
    return (
        "## Limits\n\n"
        "- **Not a medical device**, and not evaluated for diagnosis, for lesions, tumours or "
        "resections, for children, or for anything but T1-weighted contrast.\n"
        "- Two sources of scans only; other scanners and sequences may do worse.\n"
        "- Agreement with an automatic registration is not agreement with an anatomist.\n"
        "- These are early weights from a short training run; `../LOG.md` tells their history."
    )


def _shape(shape: list[int]) -> str:
    return "×".join(str(size) for size in shape)


def _named(ranked: list[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {dice:.2f}" for name, dice in ranked)
