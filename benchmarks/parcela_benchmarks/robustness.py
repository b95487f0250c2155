"""How much Dice the shipped networks lose on scans made worse on purpose.

Both are judged on the voxels of the scan as acquired, moved with the head where it was moved: the frozen labels come
there by the vote of their neighbours, each prediction by its class scores, the product's own way back. So what that
way costs is in the undisturbed scan's Dice too: on the labels' own grid it alone would have no way to go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.geometry import Geometry
from parcela.imaging.trail import GeometryTrail, Grid
from parcela.imaging.volume import read_volume
from parcela.options import NETWORKS, ModelChoice
from parcela.weights.cards import read_card
from parcela_benchmarks.degrade import CONDITIONS, Degraded
from parcela_benchmarks.methods import DIGITS
from parcela_inference.parcellate import parcellate
from parcela_labelling.to_scan import to_scan as voted
from parcela_preprocess.preprocess import preprocess
from parcela_training.cohorts.cohort import Cohort, Image
from parcela_training.evaluation.measuring import for_each_image, measure
from parcela_training.journal import Row
from parcela_training.jsonable import to_jsonable
from parcela_training.metrics.measures import dice, image_mean
from parcela_training.metrics.statistics import Comparison, compare
from parcela_training.options import TITLES, Part
from parcela_training.preparation.imported import read_mask
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.progress import OnItem
from parcela_training.report.cells import MISSING, signed
from parcela_training.report.document import Table

ORIGINAL = "as-is"
MASKED_ONLY = "deepbet"  # a scan that came without its skull has no other mask
JUDGED: Mapping[ModelChoice, str] = {
    "unet": TITLES["unet"],
    "highresnet": TITLES["highresnet"],
    "warp": TITLES["warp"],
    "both": "U-Net and HighResNet, averaged",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """Dice of one network, or of both averaged, on scans made worse, beside that on the same scans as acquired.

    Attributes:
        by_dataset: the mean loss on each data set.
    """

    condition: str
    model: ModelChoice
    dice: float
    lost: Comparison
    by_dataset: Mapping[str, float]


def run_condition(
    condition: str,
    prepared: PreparedSet,
    cohort: Cohort,
    part: Part,
    folder: Path,
    on_item: OnItem,
) -> Mapping[str, Row]:
    """Dice of the networks on each image under one condition; what ``folder`` already holds is not run again."""
    scans = {image.id: image for image in cohort.images}
    weights: dict[str, Any] = {model: read_card(model).sha256 for model in NETWORKS}
    images = for_each_image(
        prepared, part, lambda truth: _row(condition, scans[truth.record["id"]], truth)
    )
    possible = [one for one in images if condition != MASKED_ONLY or scans[one.name].mask]
    journal = folder / f"{part}-{condition}.jsonl"
    rows = measure(possible, journal, {"part": part, **weights}, on_item=on_item)
    return {row["name"]: row for row in rows}


def _row(condition: str, image: Image, truth: PreparedImage) -> Row:
    scan = read_volume(image.path)
    mask = read_mask(image.mask, scan) if image.mask else (scan.data > 0).astype(np.uint8)
    _, degrade = CONDITIONS[condition]
    return {
        model: to_jsonable(values, DIGITS)
        for model, values in dice_of(degrade(scan, mask), scan.geometry, truth).items()
    }


def dice_of(
    degraded: Degraded, acquired: Geometry, truth: PreparedImage
) -> dict[ModelChoice, NDArray[np.float64]]:
    """(117,) by network and of both averaged: the whole pipeline on a scan, against labels that moved with it."""
    done = preprocess(
        degraded.scan, skull_strip="deepbet", mask=degraded.mask, shape=truth.image.shape
    )
    grid = Grid(shape=acquired.shape, affine=degraded.moved @ acquired.affine)
    labels = voted(
        truth.label, _way(Grid(shape=truth.image.shape, affine=degraded.moved @ truth.affine), grid)
    )
    way = _way(done.trail.model, grid)
    both, warp = (parcellate(done.image, way, model=model) for model in ("both", "warp"))
    maps = both.by_network | {"both": both.labels, "warp": warp.labels}
    return {model: dice(maps[model], labels) for model in JUDGED}


def _way(model: Grid, scan: Grid) -> GeometryTrail:
    return GeometryTrail(scan=scan, model=model, removed_origin_mm=(0.0, 0.0, 0.0), steps=())


def losses(rows: Mapping[str, Mapping[str, Row]], datasets: Mapping[str, str]) -> list[Loss]:
    """Every condition and network against the same images as acquired; ``datasets`` by image."""
    lost = []
    for condition in rows:
        names = [name for name in rows[condition] if name in rows[ORIGINAL]]
        if condition == ORIGINAL or not names:
            continue
        for model in JUDGED:
            before, after = (
                image_mean(np.array([rows[kind][name][model] for name in names], np.float64))
                for kind in (ORIGINAL, condition)
            )
            of = np.array([datasets[name] for name in names])
            by_dataset = {
                one: float((before - after)[of == one].mean()) for one in sorted(set(of.tolist()))
            }
            lost.append(
                Loss(condition, model, float(after.mean()), compare(before, after), by_dataset)
            )
    return lost


def table(losses: Sequence[Loss], part: Part) -> Table:
    """Dice lost by condition and network, with the interval of the loss, and by data set."""
    datasets = sorted({name for loss in losses for name in loss.by_dataset})
    rows = tuple(
        (
            CONDITIONS[loss.condition][0],
            JUDGED[loss.model],
            str(loss.lost.n),
            f"{loss.dice:.4f}",
            signed(loss.lost.mean_difference),
            f"{signed(loss.lost.low)} to {signed(loss.lost.high)}",
            *(
                signed(loss.by_dataset[name]) if name in loss.by_dataset else MISSING
                for name in datasets
            ),
        )
        for loss in losses
    )
    return Table(
        "2",
        f"Mean-117 Dice lost on {part} scans made worse",
        (
            *("Scans", "Network", "Images", "Dice", "Lost", "95 % interval"),
            *(f"Lost, {name}" for name in datasets),
        ),
        rows,
        "On the voxels of the scans, against opened labels, paired with the same scans as acquired. "
        "The interval is the bootstrap's.",
        missing=MISSING,
    )
