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

from parcela.weights.cards import MODELS, Model, read_card
from parcela_benchmarks.methods import plain
from parcela_inference.scores import class_scores
from parcela_training.augmentation.space import opposite
from parcela_training.evaluation.images import Way, evaluate
from parcela_training.evaluation.networks import prepared_hash
from parcela_training.hardware import hardware
from parcela_training.journal import Journal, Row
from parcela_training.metrics.measures import dice, image_mean
from parcela_training.metrics.statistics import compare, dead_regions, region_medians
from parcela_training.networks.predict import predictor
from parcela_training.preparation.prepared import Prepared, PreparedSet
from parcela_training.progress import Tell
from parcela_training.report.cells import MISSING
from parcela_training.report.document import Table
from parcela_training.thesis import PUBLISHED
from parcela_training.training.budget import Budget
from parcela_training.training.presets import demo
from parcela_training.training.recipe import Augmentation, Settings
from parcela_training.training.recipe import plain as plain_settings
from parcela_training.training.train import load_network, train

RECIPE, AS_IS = "the recipe", "as it ships"
STEPS: Mapping[Model, int] = {"unet": 1200, "highresnet": 700}
Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Trial:
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
    model: Model
    dice: float
    gain: tuple[float, float, float] | None
    dead: int
    seconds: float
    images: int
    measured_on: str


# ------------------------------------------------------------------------------------ recipe


def recipe(model: Model, steps: int) -> Settings:
    """What everything is compared with: ``modern`` as it was first, for half the grid, with so many steps.

    First it turned seven images in ten, and warped four: see the change that turns fewer.
    """
    settings = demo(model)
    settings = replace(settings, budget=Budget(steps=steps), validate_every=steps, norm_images=60)
    return _augmented(settings, affine_chance=0.7, elastic_chance=0.4)


def _augmented(settings: Settings, **chances: float) -> Settings:
    augmentation = settings.augmentation or Augmentation()
    return replace(settings, augmentation=replace(augmentation, **chances))  # type: ignore[arg-type]


FEWER = "fewer images turned (3 in 10) and warped (2 in 10)"
CHANGES: Mapping[str, Callable[[Settings], Settings]] = {
    RECIPE: lambda s: s,
    "another seed: the noise of this table": lambda s: replace(s, seed=1),
    "Dice alone as loss": lambda s: replace(s, loss="dice"),
    "no cross-entropy averaged by class": lambda s: replace(s, balanced_weight=0.0),
    "constant learning rate": lambda s: replace(s, schedule="constant"),
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


def plan(steps: Mapping[Model, int]) -> list[tuple[str, Settings]]:
    """Every change that changes something, for each network."""
    found = []
    for name, change in CHANGES.items():
        for model in MODELS:
            base = recipe(model, steps[model])
            if (changed := change(base)) != base or name == RECIPE:
                found.append((name, changed))
    return found


def run_recipe(
    prepared: PreparedSet,
    folder: Path,
    tell: Tell,
    steps: Mapping[Model, int] = STEPS,
    only: Sequence[str] = (),
) -> list[Row]:
    """Train and judge every change, or the recipe and some; what ``folder`` already holds is not run again."""
    parts = {part: prepared_hash(prepared, part) for part in ("train", "val")}
    found = Journal(folder / "recipe.jsonl", parts)
    planned = [one for one in plan(steps) if not only or one[0] in (RECIPE, *only)]
    rows = []
    for place, (change, settings) in enumerate(planned):
        name = f"{settings.model}: {change}"
        key = plain_settings(settings)
        if name not in found.rows or found.rows[name]["settings"] != key:
            found.add(name, {"settings": key, **_trained(change, settings, prepared, folder)})
        rows.append(found.rows[name])
        mean = float(_per_image(rows[-1]).mean())
        tell(place + 1, len(planned), f"{name}, Dice {mean:.4f}")
    return rows


def _trained(change: str, settings: Settings, prepared: PreparedSet, folder: Path) -> Row:
    out = folder / "training"
    begun = time.process_time()
    train(settings, prepared, out, resume=False)
    seconds = time.process_time() - begun
    way = Way(settings.model, predictor(load_network(out)))
    journal = folder / "judged.jsonl"
    journal.unlink(missing_ok=True)
    (judged,) = evaluate(way, prepared, "val", journal, against=("opened",))
    return {
        "change": change,
        "model": settings.model,
        "dice": [plain(values) for values in judged.dice],
        "seconds": round(seconds, 1),
    }


# -------------------------------------------------------------------------------- prediction

FLIPPED, LARGEST = "flipped as well, scores averaged", "each region's largest part alone"


def run_prediction(prepared: PreparedSet, folder: Path, tell: Tell) -> list[Row]:
    """Judge the shipped networks as they are, with flips at test time, and cleaned; rows as ``run_recipe``'s."""
    weights: dict[str, Any] = {model: read_card(model).sha256 for model in MODELS}
    made_from = {"val": prepared_hash(prepared, "val"), **weights}
    found = Journal(folder / "prediction.jsonl", made_from)
    names, files = prepared.ids("val"), prepared.files("val")
    for place, (name, file) in enumerate(zip(names, files, strict=True)):
        if name not in found.rows:
            subject = Prepared.load(file)
            found.add(name, {model: predictions(subject, model) for model in MODELS})
        tell(place + 1, len(names), name)
    images = [found.rows[name] for name in names]
    return [
        {
            "change": change,
            "model": model,
            "dice": [image[model][change]["dice"] for image in images],
            "seconds": float(np.mean([image[model][change]["seconds"] for image in images])),
        }
        for change in (AS_IS, FLIPPED, LARGEST)
        for model in MODELS
    ]


def predictions(subject: Prepared, model: Model) -> Row:
    """Dice (117,) and processor seconds of one image, by change."""
    image = subject.image.astype(np.float32)
    begun = time.process_time()
    scores = class_scores(image, model)
    labels = _hard(scores)
    alone = time.process_time() - begun
    cleaned = largest_parts(labels)
    cleaning = time.process_time() - begun - alone
    begun = time.process_time()
    mirrored = class_scores(np.ascontiguousarray(image[::-1]), model)
    both = _hard(scores.add_(mirrored.flip(0)[..., opposite()]))
    flipping = time.process_time() - begun
    return {
        change: {"dice": plain(dice(found, subject.label)), "seconds": round(seconds, 2)}
        for change, found, seconds in (
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


def trials(rows: Iterable[Row], unchanged: str) -> list[Trial]:
    """Every row beside its network's unchanged one, on the same images."""
    kept = list(rows)
    base = {row["model"]: _per_image(row) for row in kept if row["change"] == unchanged}
    found = []
    for row in kept:
        per_image, model = _per_image(row), row["model"]
        gain = None
        if row["change"] != unchanged:
            against = compare(per_image, base[model])
            gain = (against.mean_difference, against.low, against.high)
        dead = len(dead_regions(region_medians(np.array(row["dice"], np.float64))))
        mean = float(per_image.mean())
        found.append(
            Trial(
                row["change"], model, mean, gain, dead, row["seconds"], per_image.size, hardware()
            )
        )
    return found


def _per_image(row: Row) -> NDArray[np.float64]:
    return image_mean(np.array(row["dice"], np.float64))


def table(number: str, title: str, found: Iterable[Trial], note: str) -> Table:
    """One row a trial."""
    rows = tuple(
        (
            trial.change,
            PUBLISHED[trial.model].title,
            f"{trial.dice:.4f}",
            _signed(trial.gain[0]) if trial.gain else "",
            f"{_signed(trial.gain[1])} to {_signed(trial.gain[2])}" if trial.gain else "",
            str(trial.dead),
            f"{trial.seconds:.0f}",
            _machine(trial),
        )
        for trial in found
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
    return Table(number, title, columns, rows, note, missing=MISSING)


def merged(kept: Sequence[Trial], found: Sequence[Trial]) -> list[Trial]:
    """The trials of now, and those of before that were not tried again, machine by machine.

    A gain is over what was unchanged on the same machine: that stays for as long as one of its gains does.
    """
    again = {(trial.change, trial.model) for trial in found}
    old = [trial for trial in kept if (trial.change, trial.model) not in again]
    needed = {trial.measured_on for trial in old} - {trial.measured_on for trial in found}
    stays = [
        trial
        for trial in kept
        if trial in old or (trial.gain is None and trial.measured_on in needed)
    ]
    places = list(dict.fromkeys(trial.measured_on for trial in (*stays, *found)))
    order = [*CHANGES, AS_IS, FLIPPED, LARGEST]
    return sorted(
        (*stays, *found),
        key=lambda t: (
            places.index(t.measured_on),
            order.index(t.change),
            MODELS.index(t.model),
        ),
    )


def _machine(trial: Trial) -> str:
    """Its processor, and how it was used: what tells the machines of a table apart."""
    parts = trial.measured_on.split(", ")
    return ", ".join(dict.fromkeys((parts[0], parts[-1])))


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")
