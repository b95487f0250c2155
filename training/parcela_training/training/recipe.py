"""How a network is trained, complete and frozen: a run's record needs nothing else but the images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from pydantic import TypeAdapter

from parcela.options import Network, Preset
from parcela_training.augmentation.augment import Augmentation
from parcela_training.options import PresetName
from parcela_training.training.budget import Budget

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides how a network is trained.

    Attributes:
        preset: whose recipe this is.
        variant: of the architecture; ``modern`` leaves HighResNet's last ReLU out.
        step: ``whole``: whole volumes through the network as MONAI has it. ``parts``: whole volumes
            through its cheap layers and random parts through the dear ones, for a CPU.
        loss: ``dice``: over softmax; of whole volumes MONAI's DiceLoss, per image.
            ``dice+cross-entropy``: pooled over the batch. ``distance``: of labelled voxels from their regions in the
            atlas, for the network that registers.
        budget: when it ends.
        batch: images per update, over all processes.
        learning_rate, schedule, warm_up_steps: linear to the rate, then constant, a cosine to 0, or ``late``: constant
            for 0.7 of the budget and then linear to 0.
        clip_norm: of the gradient; None: never clipped.
        ema_decay: of the averaged weights, which are the result; None: the result is the weights
            with the best validation loss.
        precision: ``float16`` comes with gradient scaling and is float32 on a CPU.
        augmentation: None: the images as prepared.
        patience: the run stops when more validations than this in a row were no better; None: never.
        validate_every: so many epochs; the last step is always followed by one.
        validation_images: so many, evenly spaced in the split; None: all.
        norm_images: the batch-norm statistics of averaged weights are re-estimated on so many.
        volume_images: the last layer's biases are set by the regions' volumes on so many, or the atlas that the
            network that registers leads to by their labels; 0: they stay.
        seed: of the initial weights, the order of the images, the augmentation and the parts.
        balanced_weight: of the cross-entropy averaged by class, beside the plain one and Dice.
        trunk_steps, auxiliary_weight, patches, patch_size, class_margin: the U-Net's ``parts``: so
            many first steps train all but the top block, at half resolution; its loss keeps this
            weight; the top block sees so many patches of this (even) size in voxels, and scores the
            classes within this margin of each, and some others; None: all classes.
        parts, deep_every: HighResNet's ``parts``: stride-4 sub-lattices per step, of the eight in
            one stride-2 sub-lattice; every so many steps the gradient also reaches the
            full-resolution layers.
    """

    preset: PresetName
    model: Network
    variant: Preset
    step: Literal["whole", "parts"]
    loss: Literal["dice", "dice+cross-entropy", "distance"]
    budget: Budget
    batch: int
    optimiser: Literal["adam", "adamw"]
    learning_rate: float
    weight_decay: float
    schedule: Literal["constant", "cosine", "late"]
    warm_up_steps: int
    clip_norm: float | None
    ema_decay: float | None
    precision: Literal["float32", "bfloat16", "float16"]
    augmentation: Augmentation | None
    patience: int | None
    validate_every: float
    validation_images: int | None
    norm_images: int
    volume_images: int = 0
    seed: int = 0
    balanced_weight: float = 0.25
    trunk_steps: int = 0
    auxiliary_weight: float = 0.5
    patches: int = 24
    patch_size: tuple[int, int, int] = (12, 16, 16)
    class_margin: int | None = 6
    parts: int = 2
    deep_every: int = 4


_RECIPE = TypeAdapter(Recipe)


def without_first_steps(recipe: Recipe) -> Recipe:
    """The recipe for trained weights, without the first steps that random ones need and that would spoil them.

    The first steps at half resolution move the trunk away from the top block that it was trained
    with, and their loss reads the features through a layer that is not published with them.
    """
    return replace(recipe, trunk_steps=0, auxiliary_weight=0.0)


def read_recipe(values: Mapping[str, Any]) -> Recipe:
    """The recipe that ``to_jsonable`` made these values of. Raises ValueError where they are something else."""
    return _RECIPE.validate_python(dict(values))


def scalars(recipe: Recipe) -> dict[str, Scalar]:
    """The recipe by name for a table: one text or number each, those without a value left out."""
    cells: dict[str, Scalar] = {}
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        if isinstance(value, Augmentation):
            cells |= {f"augmentation {name}": _scalar(each) for name, each in asdict(value).items()}
        elif value is not None:
            cells[field.name] = _scalar(value)
    return cells


def _scalar(value: object) -> Scalar:
    if isinstance(value, tuple):
        return " × ".join(f"{each:g}" for each in value)
    return value if isinstance(value, str | int | float) else str(value)
