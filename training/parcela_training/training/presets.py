"""The recipes of training, and the experiments that they are part of: typed functions, complete results.

Times are on two cores of a desktop processor with nothing beside, unless a GPU is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from parcela.errors import BadRequest
from parcela.options import BOTH, Network
from parcela_training.augmentation.augment import Augmentation
from parcela_training.cohorts.split_sizes import SPLIT_PRESETS, SplitPreset
from parcela_training.preparation.settings import Preparation, preparation
from parcela_training.training.budget import Budget
from parcela_training.training.recipe import Recipe

THESIS_PATIENCE = 10
LEARNING_RATE = 1e-3  # ours: the thesis gives none


def thesis(model: Network, device: str = "cpu") -> Recipe:  # noqa: ARG001  (the same on each)
    """The published method, exact, as a plain MONAI loop over whole volumes.

    DiceLoss over softmax with 117 classes, Adam, float16 with gradient scaling on CUDA and float32
    without a scaler on a CPU, no augmentation, at most 150 epochs, validation after each, stopped
    once more than 10 epochs in a row had no better validation loss. Batch size 1, learning rate
    1e-3, the weights of the best validation loss as the result: ours, since the thesis names none.

    Expect a mean Dice of 0.83 (U-Net) and 0.82 (HighResNet, some regions never predicted) with
    1,200 images. It took the thesis 0.3 and 37 hours on an RTX 4090; on a CPU a step takes about a
    minute and 7 GB, so give it a budget.
    """
    _refuse_registration("thesis", model)
    return Recipe(
        preset="thesis",
        model=model,
        variant="thesis",
        step="whole",
        loss="dice",
        budget=Budget(epochs=150),
        batch=1,
        optimiser="adam",
        learning_rate=LEARNING_RATE,
        weight_decay=0.0,
        schedule="constant",
        warm_up_steps=0,
        clip_norm=None,
        ema_decay=None,
        precision="float16",
        augmentation=None,
        patience=THESIS_PATIENCE,
        validate_every=1,
        validation_images=None,
        norm_images=0,
    )


def modern(model: Network, device: str = "cpu") -> Recipe:
    """Parcela's own recipe: augmentation, AdamW, warm-up and cosine, cross-entropy + Dice, EMA, bf16.

    On a CPU in parts of whole volumes: a U-Net step takes 1–3 s, a HighResNet step 2–6 s, and both
    fit in 3 GB. Expect a validation Dice of 0.80 (U-Net) after 2,000 steps, 0.815 (HighResNet)
    after 1,300, and no region missing. On a GPU whole volumes, four (U-Net) or two (HighResNet) at
    a time.

    No early stopping: the learning rate falls to 0 with the budget, and the last weights are best.
    """
    if model == "warp":
        return _registration()
    recipe = Recipe(
        preset="modern",
        model=model,
        variant="modern",
        step="parts",
        loss="dice+cross-entropy",
        budget=Budget(steps=12_000 if model == "unet" else 8_000),
        batch=1,
        optimiser="adamw",
        learning_rate=2e-3,
        weight_decay=1e-4,
        schedule="cosine",
        warm_up_steps=150,
        clip_norm=1.0,
        ema_decay=0.995,
        precision="bfloat16",
        augmentation=Augmentation(),
        patience=None,
        validate_every=5,
        validation_images=8,
        norm_images=60,
        volume_images=25,
        trunk_steps=600,
        parts=4,
    )
    return recipe if device == "cpu" else _whole(recipe)


def _registration() -> Recipe:
    """Of the network that registers: on a CPU, 1 s a step."""
    return Recipe(
        preset="modern",
        model="warp",
        variant="modern",
        step="parts",
        loss="distance",
        budget=Budget(steps=12_000),
        batch=1,
        optimiser="adamw",
        learning_rate=1e-3,
        weight_decay=1e-4,
        schedule="late",
        warm_up_steps=100,
        clip_norm=1.0,
        ema_decay=0.995,
        precision="bfloat16",
        augmentation=Augmentation(),
        patience=None,
        validate_every=4,
        validation_images=None,
        norm_images=0,
        volume_images=75,
    )


def _refuse_registration(preset: str, model: Network) -> None:
    if model == "warp":
        raise BadRequest(f"the preset {preset} has no recipe for {model}: use --preset modern")


def _whole(recipe: Recipe) -> Recipe:
    """A recipe changed to whole volumes, for a GPU."""
    unet = recipe.model == "unet"
    return replace(
        recipe,
        step="whole",
        batch=4 if unet else 2,
        budget=Budget(steps=3_500 if unet else 4_000),
        learning_rate=1e-3,
        warm_up_steps=200,
        ema_decay=0.998,
        trunk_steps=0,
    )


def demo(model: Network, device: str = "cpu") -> Recipe:
    """``modern`` at half the grid, cut to six or seven minutes a network on two cores.

    For 12 training images of the virtual cohort. Expect most regions, not a good network. The
    number of steps is fixed, so that a run repeats exactly; a GPU takes as many on whole volumes.
    Images are turned and coarsened less than by ``modern``.
    """
    _refuse_registration("demo", model)
    unet = model == "unet"
    return replace(
        modern(model, device),
        preset="demo",
        budget=Budget(steps=800 if unet else 500),
        batch=1,
        learning_rate=3e-3,
        warm_up_steps=50,
        ema_decay=0.99,
        augmentation=Augmentation(
            resolution_mm=(2.0, 3.0),
            affine_chance=0.3,
            rotation_degrees=10.0,
            edge_voxels=1,  # half as many, as the grid has
            elastic_voxels=1.0,
        ),
        validate_every=10,
        validation_images=None,
        norm_images=12,
        volume_images=12,
        trunk_steps=200 if unet and device == "cpu" else 0,
        patches=6,
        deep_every=2,
    )


RECIPES: dict[str, Callable[[Network, str], Recipe]] = {
    "demo": demo,
    "thesis": thesis,
    "modern": modern,
}


@dataclass(frozen=True, slots=True)
class ExperimentPreset:
    """One experiment: how the images are prepared and divided, and how each network is trained.

    Attributes:
        preparation: the nine steps' preset, the opening, the grid.
        split: train, validation and test, and the fewest images that make sense.
        recipes: by network.
    """

    preparation: Preparation
    split: SplitPreset
    recipes: Mapping[Network, Recipe]


def experiment(preset: str, device: str = "cpu") -> ExperimentPreset:
    """The experiment of a preset: ``demo``, ``thesis`` or ``modern``.

    Raises:
        BadRequest: there is no such preset.
    """
    prepared = preparation(preset)
    recipes = {model: RECIPES[preset](model, device) for model in BOTH}
    return ExperimentPreset(prepared, SPLIT_PRESETS[preset], recipes)
