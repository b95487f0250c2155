"""The one table: every way to label a brain, beside the same bronze labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import regions
from parcela_benchmarks import volumes
from parcela_benchmarks.methods import MethodGroup
from parcela_training.evaluation.measuring import for_each_image, measure
from parcela_training.evaluation.record import REFERENCES, Reference
from parcela_training.hardware import hardware
from parcela_training.journal import Row
from parcela_training.jsonable import to_jsonable
from parcela_training.metrics.measures import image_mean
from parcela_training.metrics.statistics import (
    Summary,
    by_group,
    dead_regions,
    region_medians,
    summarise,
)
from parcela_training.options import Part
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.progress import OnItem
from parcela_training.report.cells import MISSING, number
from parcela_training.report.document import Table

DEEP = ("Hippocampus", "Amygdala", "Thalamus", "Caudate", "Putamen", "Pallidum")


@dataclass(frozen=True, slots=True, eq=False)
class MethodResult:
    """One method on so many images.

    Attributes:
        title: of the method.
        datasets: the data set of each image.
        dice: by labels, (n, 117).
        seconds: (n,).
        mm3: (n, 2, 116) of each region in the map and in the label, opened.
    """

    title: str
    datasets: tuple[str, ...]
    dice: Mapping[Reference, NDArray[np.float64]]
    seconds: NDArray[np.float64]
    mm3: NDArray[np.float64]


def run_methods(
    group: MethodGroup, prepared: PreparedSet, part: Part, folder: Path, on_item: OnItem
) -> list[MethodResult]:
    """Run a group's methods on the images of a part; what ``folder`` already holds is not run again."""
    images = for_each_image(prepared, part, group.run, group.images)
    made_from = {"part": part, "preset": prepared.preset, "volumes": True, **group.made_from}
    rows = measure(images, folder / f"{part}-{group.name}.jsonl", made_from, on_item=on_item)
    datasets = tuple(prepared.datasets[row["name"]] for row in rows)
    return [_result(title, key, datasets, rows) for key, title in group.titles.items()]


def _result(title: str, key: str, datasets: tuple[str, ...], rows: Sequence[Row]) -> MethodResult:
    dice: dict[Reference, NDArray[np.float64]] = {
        reference: np.array([row[key][reference] for row in rows], np.float64)
        for reference in REFERENCES
    }
    seconds, mm3 = (
        np.array([row[key][what] for row in rows], np.float64) for what in ("seconds", "mm3")
    )
    return MethodResult(title, datasets, dice, seconds, mm3)


def deep_ids() -> list[int]:
    """Ids of the six deep structures, left and right."""
    return [region.index for region in regions() if region.name.rpartition("_")[0] in DEEP]


def records(results: Sequence[MethodResult]) -> list[Row]:
    """A row for each method and set of labels, as plain values: what the table prints, and more.

    Each carries the machine that it was measured on, since rows of several runs share a table.
    """
    return [_record(result, reference) for result in results for reference in REFERENCES]


def _record(result: MethodResult, reference: Reference) -> Row:
    dice = result.dice[reference]
    per_image, deep = image_mean(dice), dice[:, [0, *deep_ids()]]
    medians = region_medians(dice)
    names = {region.index: region.name for region in regions()}
    weakest = np.argsort(medians[1:], kind="stable") + 1  # NaN, absent from every label, come last
    return {
        "method": result.title,
        "labels": reference,
        "images": len(result.datasets),
        "mean_dice": _mean_sd(summarise(per_image)),
        "mean_dice_without_background": _mean_sd(summarise(image_mean(dice, background=False))),
        "by_data_set": {
            name: _mean_sd(summary)
            for name, summary in by_group(per_image, result.datasets).items()
        },
        "deep_structures": _mean_sd(summarise(image_mean(deep, background=False))),
        "seconds": _mean_sd(summarise(result.seconds)),
        "dice_by_image": to_jsonable(per_image, 5),
        "regions_with_median_0": [names[i] for i in dead_regions(medians)],
        "volumes": _volumes(result) if reference == "opened" else None,
        "ten_weakest": {names[i]: round(float(medians[i]), 4) for i in weakest[:10].tolist()},
        "measured_on": hardware(),
    }


def _volumes(result: MethodResult) -> Row | None:
    """None for so few people that nothing can be said."""
    if len(result.mm3) < volumes.FEWEST:
        return None
    return volumes.record(volumes.agreement(result.mm3[:, 0], result.mm3[:, 1]))


def _mean_sd(summary: Summary) -> list[float | None]:
    pair: list[float | None] = to_jsonable([summary.mean, summary.sd], 5)
    return pair


def merged(earlier: Sequence[Row], latest: Sequence[Row], titles: Sequence[str]) -> list[Row]:
    """The latest rows, and those of the other methods from before, in the order of the titles."""
    again = {row["method"] for row in latest}
    rows = [*latest, *(row for row in earlier if row["method"] not in again)]
    return [row for title in titles for row in rows if row["method"] == title]


def table(rows: Sequence[Row], part: Part) -> Table:
    """Mean Dice of 117 classes and of the deep regions, ± SD over images; a row for each method and set of labels."""
    kinds = sorted({name for row in rows for name in row["by_data_set"]})
    cells = tuple(
        (
            row["method"],
            row["labels"],
            str(row["images"]),
            _cell(row["mean_dice"], 4),
            *(_cell(row["by_data_set"].get(kind), 4) for kind in kinds),
            _cell(row["deep_structures"], 4),
            _cell(row["seconds"], 1),
        )
        for row in rows
    )
    columns = (
        "Method",
        "Labels",
        "Images",
        "Mean-117 Dice",
        *kinds,
        "Six deep structures",
        "Seconds",
    )
    return Table(
        "1",
        f"Agreement with the bronze labels of the {part} images",
        columns,
        cells,
        "Mean ± SD over images; the mean of 117 classes counts the background. Registrations are opened before they "
        "are compared with opened labels; the networks' maps are compared as they are. SyN against itself: two runs "
        "with different seeds on the same image, which is the labels' own noise. Deep structures: "
        f"{', '.join(DEEP).lower()}, both sides. Measured on: {_machines(rows)}.",
        missing="nothing was run.",
    )


def _cell(mean_sd: list[float | None] | None, digits: int) -> str:
    """Mean ± SD as the tables print them; ``n/a`` for the SD of one image, ``missing`` for no image."""
    if mean_sd is None:
        return MISSING
    mean, sd = mean_sd
    return f"{number(mean, digits)} ± {'n/a' if sd is None else number(sd, digits)}"


def _machines(rows: Sequence[Row]) -> str:
    methods: dict[str, dict[str, None]] = {}
    for row in rows:
        methods.setdefault(row["measured_on"], {})[row["method"]] = None
    return "; ".join(f"{machine} ({', '.join(names)})" for machine, names in methods.items())
