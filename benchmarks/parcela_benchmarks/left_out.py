"""What augmentation gains on scanners that a network has not seen: one data set is left out of its training.

At half the grid, where a training takes minutes. Each kind of augmentation is tried by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.options import Network
from parcela_benchmarks.ablations import STEPS, trained
from parcela_training.augmentation.augment import NOTHING, Augmentation
from parcela_training.evaluation.measuring import Measurement, measure
from parcela_training.evaluation.networks import prepared_hash
from parcela_training.journal import Row
from parcela_training.jsonable import to_jsonable
from parcela_training.metrics.measures import image_mean
from parcela_training.metrics.statistics import Comparison, compare
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.progress import OnItem
from parcela_training.report.cells import MISSING, signed
from parcela_training.report.document import Table
from parcela_training.thesis import PUBLISHED
from parcela_training.training.budget import Budget
from parcela_training.training.presets import demo
from parcela_training.training.recipe import Recipe

JUDGED = 25  # images of the data set that is left out, at most
NONE = "none"
USUAL = demo("unet").augmentation or Augmentation()
KINDS: Mapping[str, Augmentation | None] = {
    NONE: None,
    "contrast: gamma, bias, noise": replace(
        NOTHING, gamma=USUAL.gamma, bias=USUAL.bias, noise=USUAL.noise
    ),
    "resolution": replace(
        NOTHING, resolution_chance=USUAL.resolution_chance, resolution_mm=USUAL.resolution_mm
    ),
    "the mask's edge": replace(
        NOTHING, edge_chance=USUAL.edge_chance, edge_voxels=USUAL.edge_voxels
    ),
    "turned, scaled, shifted": replace(
        NOTHING, affine_chance=USUAL.affine_chance, rotation_degrees=USUAL.rotation_degrees
    ),
    "warped": replace(
        NOTHING, elastic_chance=USUAL.elastic_chance, elastic_voxels=USUAL.elastic_voxels
    ),
    "all, as the recipe has it": USUAL,
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One training without a data set.

    Attributes:
        left_out: the data set.
        augmentation: its kind, by ``KINDS``.
        model: the network.
        own, other: mean-117 Dice on validation images of the data sets it learned from, and on the one left out.
        gain: on the one left out, over no augmentation; None for that itself.
    """

    left_out: str
    augmentation: str
    model: Network
    own: float
    other: float
    gain: Comparison | None


def without(prepared: PreparedSet, left_out: str, folder: Path) -> PreparedSet:
    """A cohort at half the grid, its images where they are, that trains without a data set and is judged with it."""
    of = prepared.datasets
    train = [row for row in prepared.of("train") if of[row["id"]] != left_out]
    own = [row for row in prepared.of("val") if of[row["id"]] != left_out]
    others = [
        row for part in ("val", "train") for row in prepared.of(part) if of[row["id"]] == left_out
    ]
    rows = [
        *({**row, "split": "train"} for row in train),
        *({**row, "split": "val"} for row in (*own, *others[:JUDGED])),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    placed = [{**row, "file": str((prepared.folder / row["file"]).absolute())} for row in rows]
    PreparedSet(folder, tuple(placed), prepared.record).write()
    return PreparedSet.read(folder)


def run(
    prepared: PreparedSet,
    models: Sequence[Network],
    folder: Path,
    on_item: OnItem,
    steps: Mapping[Network, int] = STEPS,
) -> list[Row]:
    """Train and judge every kind for every data set; what ``folder`` already holds is not run again."""
    names = sorted(set(prepared.datasets.values()))
    every = [
        _measurement(without(prepared, name, folder / name), name, kind, model, steps, folder)
        for model in models
        for name in names
        for kind in KINDS
    ]
    parts = {part: prepared_hash(prepared, part) for part in ("train", "val")}
    return measure(every, folder / "left_out.jsonl", parts, on_item=on_item)


def _measurement(
    cohort: PreparedSet,
    left_out: str,
    kind: str,
    model: Network,
    steps: Mapping[Network, int],
    folder: Path,
) -> Measurement:
    budget = Budget(steps=steps[model])
    recipe: Recipe = replace(
        demo(model), budget=budget, validate_every=steps[model], augmentation=KINDS[kind]
    )
    key = to_jsonable(recipe)

    def work() -> Row:
        row = trained(kind, recipe, cohort, folder)
        return {**row, "settings": key, "left_out": left_out, "ids": cohort.ids("val")}

    return Measurement(
        f"{model} without {left_out}: {kind}", work, lambda row: bool(row["settings"] == key)
    )


def trials(rows: Iterable[Row], datasets: Mapping[str, str]) -> list[Trial]:
    """Every training beside the one without augmentation, on the same images."""
    every = list(rows)
    base = {
        (row["left_out"], row["model"]): _dice(row, datasets)[1]
        for row in every
        if row["change"] == NONE
    }
    found = []
    for row in every:
        own, other = _dice(row, datasets)
        gain = None
        if row["change"] != NONE:
            gain = compare(other, base[row["left_out"], row["model"]])
        means = float(own.mean()), float(other.mean())
        found.append(Trial(row["left_out"], row["change"], row["model"], *means, gain))
    return found


def _dice(row: Row, datasets: Mapping[str, str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the images of the data sets learned from, and of the one left out."""
    dice = image_mean(np.array(row["dice"], np.float64))
    left_out = np.array([datasets[name] == row["left_out"] for name in row["ids"]])
    return dice[~left_out], dice[left_out]


def table(trials: Iterable[Trial], prepared: PreparedSet) -> Table:
    """One row a training."""
    cells = tuple(
        (
            trial.left_out,
            trial.augmentation,
            PUBLISHED[trial.model].title,
            f"{trial.own:.4f}",
            f"{trial.other:.4f}",
            *_gain(trial.gain),
        )
        for trial in trials
    )
    grid = "×".join(map(str, prepared.shape))
    return Table(
        "6",
        "A data set left out of the training",
        (
            "Left out",
            "Augmentation",
            "Network",
            "Dice on the others",
            "Dice on it",
            "Gain on it",
            "95 % interval",
        ),
        cells,
        f"Mean-117 Dice at half the grid ({grid}). A gain is over no augmentation, paired by image; the interval is "
        "the bootstrap's, and does not hold what another seed would change.",
        missing=MISSING,
    )


def _gain(gain: Comparison | None) -> tuple[str, str]:
    if gain is None:
        return "", ""
    mean, low, high = (signed(value) for value in (gain.mean_difference, gain.low, gain.high))
    return mean, f"{low} to {high}"
