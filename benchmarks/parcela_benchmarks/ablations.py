"""What helps, measured on the validation images: one change of the recipe at a time, and of the prediction.

The recipe's changes are tried at half the grid, where a training takes minutes; the prediction's on the shipped
networks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from parcela.options import BOTH, Network
from parcela.weights.cards import read_card
from parcela_benchmarks.methods import DIGITS
from parcela_inference.scores import class_scores
from parcela_training.augmentation.augment import Augmentation
from parcela_training.augmentation.space import opposite
from parcela_training.evaluation.engine import parcellator
from parcela_training.evaluation.images import Evaluator, evaluate
from parcela_training.evaluation.measuring import Measurement, for_each_image, measure
from parcela_training.evaluation.networks import prepared_hash
from parcela_training.hardware import hardware
from parcela_training.journal import Row
from parcela_training.jsonable import to_jsonable
from parcela_training.metrics.measures import dice, image_mean
from parcela_training.metrics.statistics import compare, dead_regions, region_medians
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.progress import OnItem
from parcela_training.report.cells import MISSING, signed
from parcela_training.report.document import Table
from parcela_training.thesis import PUBLISHED
from parcela_training.training.budget import Budget
from parcela_training.training.presets import demo
from parcela_training.training.recipe import Recipe
from parcela_training.training.train import load_network, train

RECIPE, AS_IS = "the recipe", "as it ships"
STEPS: Mapping[Network, int] = {"unet": 1200, "highresnet": 700}
Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Ablation:
    """One change on the validation images.

    Attributes:
        change: what was changed.
        model: of which network.
        dice: mean-117 over the images.
        gain: over the unchanged, and its bootstrap interval; None for the unchanged itself.
        dead: regions with a median Dice of 0.
        seconds: of processor time, for a training or an image.
        images: how many.
        measured_on: the machine; rows of several runs share a table.
    """

    change: str
    model: Network
    dice: float
    gain: tuple[float, float, float] | None
    dead: int
    seconds: float
    images: int
    measured_on: str


# ------------------------------------------------------------------------------------ recipe


def base_recipe(model: Network, steps: int) -> Recipe:
    """What everything is compared with: ``modern`` as it was first, for half the grid, with so many steps.

    First it turned seven images in ten, and warped four: see the change that turns fewer.
    """
    recipe = demo(model)
    recipe = replace(recipe, budget=Budget(steps=steps), validate_every=steps, norm_images=60)
    return _augmented(recipe, affine_chance=0.7, elastic_chance=0.4)


def _augmented(recipe: Recipe, **chances: float) -> Recipe:
    augmentation = recipe.augmentation or Augmentation()
    return replace(recipe, augmentation=replace(augmentation, **chances))  # type: ignore[arg-type]


FEWER = "fewer images turned (3 in 10) and warped (2 in 10)"
CHANGES: Mapping[str, Callable[[Recipe], Recipe]] = {
    RECIPE: lambda s: s,
    "another seed: the noise of this table": lambda s: replace(s, seed=1),
    "Dice alone as loss": lambda s: replace(s, loss="dice"),
    "no cross-entropy averaged by class": lambda s: replace(s, balanced_weight=0.0),
    "constant learning rate": lambda s: replace(s, schedule="constant"),
    "constant learning rate, then a decay": lambda s: replace(s, schedule="late"),
    "batches of two, half as many steps": lambda s: replace(
        s, batch=2, budget=Budget(steps=(s.budget.steps or 0) // 2)
    ),
    "half the learning rate": lambda s: replace(s, learning_rate=s.learning_rate / 2),
    "no averaged weights; those of the best validation": lambda s: replace(
        s, ema_decay=None, validate_every=1
    ),
    "no augmentation": lambda s: replace(s, augmentation=None),
    FEWER: lambda s: _augmented(s, affine_chance=0.3, elastic_chance=0.2),
    "contrast alone augmented: gamma, bias, noise": lambda s: _augmented(
        s, resolution_chance=0, edge_chance=0, affine_chance=0, elastic_chance=0
    ),
    "left and right flipped in half of the steps": lambda s: _augmented(s, flip_chance=0.5),
    "no first steps at half resolution": lambda s: replace(s, trunk_steps=0),
    "HighResNet's last ReLU kept": lambda s: replace(
        s, variant="thesis" if s.model == "highresnet" else s.variant
    ),
}


def plan(steps: Mapping[Network, int]) -> list[tuple[str, Recipe]]:
    """Every change that changes something, for each network."""
    planned = []
    for name, change in CHANGES.items():
        for model in BOTH:
            base = base_recipe(model, steps[model])
            if (changed := change(base)) != base or name == RECIPE:
                planned.append((name, changed))
    return planned


def run_recipe(
    prepared: PreparedSet,
    folder: Path,
    on_item: OnItem,
    steps: Mapping[Network, int] = STEPS,
    only: Sequence[str] = (),
) -> list[Row]:
    """Train and evaluate every change, or the recipe and some; what ``folder`` already holds is not run again."""
    parts = {part: prepared_hash(prepared, part) for part in ("train", "val")}
    planned = [one for one in plan(steps) if not only or one[0] in (RECIPE, *only)]
    return measure(
        [_training(change, recipe, prepared, folder) for change, recipe in planned],
        folder / "recipe.jsonl",
        parts,
        describe=lambda row: f"{row['name']}, Dice {_per_image(row).mean():.4f}",
        on_item=on_item,
    )


def _training(change: str, recipe: Recipe, prepared: PreparedSet, folder: Path) -> Measurement:
    key = to_jsonable(recipe)
    return Measurement(
        f"{recipe.model}: {change}",
        lambda: {"settings": key, **trained(change, recipe, prepared, folder)},
        lambda row: bool(row["settings"] == key),
    )


def trained(change: str, recipe: Recipe, prepared: PreparedSet, folder: Path) -> Row:
    """Dice (images, 117) on the validation images after a training, and its processor seconds."""
    out = folder / "training"
    started = time.process_time()
    train(recipe, prepared, out, resume=False)
    seconds = time.process_time() - started
    evaluator = Evaluator(recipe.model, parcellator(recipe.model, load_network(out)))
    journal = folder / "evaluated.jsonl"
    journal.unlink(missing_ok=True)
    (evaluation,) = evaluate(evaluator, prepared, "val", journal, references=("opened",))
    return {
        "change": change,
        "model": recipe.model,
        "dice": to_jsonable(evaluation.dice, DIGITS),
        "seconds": round(seconds, 1),
    }


# -------------------------------------------------------------------------------- prediction

FLIPPED, LARGEST = "flipped as well, scores averaged", "each region's largest part alone"


def run_prediction(prepared: PreparedSet, folder: Path, on_item: OnItem) -> list[Row]:
    """Measure the shipped networks as they are, with flips at test time, and cleaned; rows as ``run_recipe``'s."""
    weights: dict[str, Any] = {model: read_card(model).sha256 for model in BOTH}
    made_from = {"val": prepared_hash(prepared, "val"), **weights}
    images = measure(
        for_each_image(
            prepared,
            "val",
            lambda subject: {model: predictions(subject, model) for model in BOTH},
        ),
        folder / "prediction.jsonl",
        made_from,
        on_item=on_item,
    )
    return [
        {
            "change": change,
            "model": model,
            "dice": [image[model][change]["dice"] for image in images],
            "seconds": float(np.mean([image[model][change]["seconds"] for image in images])),
        }
        for change in (AS_IS, FLIPPED, LARGEST)
        for model in BOTH
    ]


def predictions(subject: PreparedImage, model: Network) -> Row:
    """Dice (117,) and processor seconds of one image, by change."""
    image = subject.image.astype(np.float32)
    started = time.process_time()
    scores = class_scores(image, model).dense()
    labels = _hard(scores)
    alone = time.process_time() - started
    cleaned = largest_parts(labels)
    cleaning = time.process_time() - started - alone
    started = time.process_time()
    mirrored = class_scores(np.ascontiguousarray(image[::-1]), model).dense()
    both = _hard(scores.add_(mirrored.flip(0)[..., opposite()]))
    flipping = time.process_time() - started
    return {
        change: {
            "dice": to_jsonable(dice(changed, subject.label), DIGITS),
            "seconds": round(seconds, 2),
        }
        for change, changed, seconds in (
            (AS_IS, labels, alone),
            (FLIPPED, both, alone + flipping),
            (LARGEST, cleaned, alone + cleaning),
        )
    }


def largest_parts(labels: Labels) -> Labels:
    """(I, J, K) ids with every region's smaller parts, by shared faces, made background."""
    cleaned = labels.copy()
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        inside = labels[box] == index
        parts, count = ndimage.label(inside)
        if count > 1:
            largest = np.bincount(parts[inside]).argmax()
            cleaned[box][inside & (parts != largest)] = 0
    return cleaned


def _hard(scores: torch.Tensor) -> Labels:
    labels: Labels = scores.argmax(-1).to(torch.uint8).numpy()
    return labels


# ------------------------------------------------------------------------------------- table


def ablations(rows: Iterable[Row], unchanged: str) -> list[Ablation]:
    """Every row beside its network's unchanged one, on the same images."""
    every = list(rows)
    base = {row["model"]: _per_image(row) for row in every if row["change"] == unchanged}
    compared = []
    for row in every:
        per_image, model = _per_image(row), row["model"]
        gain = None
        if row["change"] != unchanged:
            difference = compare(per_image, base[model])
            gain = (difference.mean_difference, difference.low, difference.high)
        dead = len(dead_regions(region_medians(np.array(row["dice"], np.float64))))
        mean = float(per_image.mean())
        compared.append(
            Ablation(
                row["change"], model, mean, gain, dead, row["seconds"], per_image.size, hardware()
            )
        )
    return compared


def _per_image(row: Row) -> NDArray[np.float64]:
    return image_mean(np.array(row["dice"], np.float64))


def table(number: str, title: str, rows: Iterable[Ablation], note: str) -> Table:
    """One row an ablation."""
    cells = tuple(
        (
            ablation.change,
            PUBLISHED[ablation.model].title,
            f"{ablation.dice:.4f}",
            signed(ablation.gain[0]) if ablation.gain else "",
            f"{signed(ablation.gain[1])} to {signed(ablation.gain[2])}" if ablation.gain else "",
            str(ablation.dead),
            f"{ablation.seconds:.0f}",
            _machine(ablation),
        )
        for ablation in rows
    )
    columns = (
        "What was tried",
        "Network",
        "Mean-117 Dice",
        "Gain",
        "95 % interval",
        "Regions with median 0",
        "Processor seconds",
        "Processor",
    )
    return Table(number, title, columns, cells, note, missing=MISSING)


def merged(earlier: Sequence[Ablation], latest: Sequence[Ablation]) -> list[Ablation]:
    """The latest ablations, and those of before that were not measured again, machine by machine.

    A gain is over what was unchanged on the same machine: that stays for as long as one of its gains does.
    """
    again = {(ablation.change, ablation.model) for ablation in latest}
    old = [ablation for ablation in earlier if (ablation.change, ablation.model) not in again]
    needed = {ablation.measured_on for ablation in old} - {
        ablation.measured_on for ablation in latest
    }
    stays = [
        ablation
        for ablation in earlier
        if ablation in old or (ablation.gain is None and ablation.measured_on in needed)
    ]
    places = list(dict.fromkeys(ablation.measured_on for ablation in (*stays, *latest)))
    order = [*CHANGES, AS_IS, FLIPPED, LARGEST]
    return sorted(
        (*stays, *latest),
        key=lambda t: (
            places.index(t.measured_on),
            order.index(t.change),
            BOTH.index(t.model),
        ),
    )


def _machine(ablation: Ablation) -> str:
    """Its processor, and how it was used: what tells the machines of a table apart."""
    parts = ablation.measured_on.split(", ")
    return ", ".join(dict.fromkeys((parts[0], parts[-1])))
