"""The one table: every way to label a brain, against the same bronze labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import regions
from parcela_benchmarks import volumes
from parcela_benchmarks.methods import Family
from parcela_training.cohorts.cohort import Part
from parcela_training.evaluation.images import AGAINST, Against
from parcela_training.hardware import hardware
from parcela_training.journal import Journal, Row
from parcela_training.metrics.measures import image_mean
from parcela_training.metrics.statistics import (
    Summary,
    by_group,
    dead_regions,
    region_medians,
    summarise,
)
from parcela_training.preparation.prepared import Prepared, PreparedSet
from parcela_training.progress import Tell
from parcela_training.report.cells import MISSING, number
from parcela_training.report.document import Table

DEEP = ("Hippocampus", "Amygdala", "Thalamus", "Caudate", "Putamen", "Pallidum")


@dataclass(frozen=True, slots=True, eq=False)
class Line:
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
    dice: Mapping[Against, NDArray[np.float64]]
    seconds: NDArray[np.float64]
    mm3: NDArray[np.float64]


def run_family(
    family: Family, prepared: PreparedSet, part: Part, folder: Path, tell: Tell
) -> list[Line]:
    """Run a family's methods on the images of a part; what ``folder`` already holds is not run again."""
    names = prepared.ids(part)[: family.images]
    files = prepared.files(part)[: len(names)]
    made_from = {"part": part, "preset": prepared.preset, "volumes": True, **family.made_from}
    found = Journal(folder / f"{part}-{family.name}.jsonl", made_from)
    for place, (name, file) in enumerate(zip(names, files, strict=True)):
        row = found.rows.get(name)
        if row is None or row["file"] != file.name:
            found.add(name, {"file": file.name, **family.run(Prepared.load(file))})
        tell(place + 1, len(names), name)
    datasets = tuple(prepared.datasets[name] for name in names)
    rows = [found.rows[name] for name in names]
    return [_line(title, key, datasets, rows) for key, title in family.titles.items()]


def _line(title: str, key: str, datasets: tuple[str, ...], rows: Sequence[Row]) -> Line:
    dice: dict[Against, NDArray[np.float64]] = {
        kind: np.array([row[key][kind] for row in rows], np.float64) for kind in AGAINST
    }
    seconds, mm3 = (
        np.array([row[key][what] for row in rows], np.float64) for what in ("seconds", "mm3")
    )
    return Line(title, datasets, dice, seconds, mm3)


def deep_ids() -> list[int]:
    """Ids of the six deep structures, left and right."""
    return [known.index for known in regions() if known.name.rpartition("_")[0] in DEEP]


def records(lines: Sequence[Line]) -> list[Row]:
    """A row for each method and set of labels, as plain values: what the table prints, and more.

    Each carries the machine that it was measured on, since rows of several runs share a table.
    """
    return [_record(line, against) for line in lines for against in AGAINST]


def _record(line: Line, against: Against) -> Row:
    dice = line.dice[against]
    per_image, deep = image_mean(dice), dice[:, [0, *deep_ids()]]
    medians = region_medians(dice)
    names = {known.index: known.name for known in regions()}
    weakest = np.argsort(medians[1:], kind="stable") + 1  # NaN, absent from every label, come last
    return {
        "method": line.title,
        "labels": against,
        "images": len(line.datasets),
        "mean_dice": _mean_sd(summarise(per_image)),
        "mean_dice_without_background": _mean_sd(summarise(image_mean(dice, background=False))),
        "by_data_set": {
            name: _mean_sd(found) for name, found in by_group(per_image, line.datasets).items()
        },
        "deep_structures": _mean_sd(summarise(image_mean(deep, background=False))),
        "seconds": _mean_sd(summarise(line.seconds)),
        "dice_by_image": [round(float(value), 5) for value in per_image],
        "regions_with_median_0": [names[i] for i in dead_regions(medians)],
        "volumes": _volumes(line) if against == "opened" else None,
        "ten_weakest": {names[i]: round(float(medians[i]), 4) for i in weakest[:10].tolist()},
        "measured_on": hardware(),
    }


def _volumes(line: Line) -> Row | None:
    """None for so few people that nothing can be said."""
    if len(line.mm3) < volumes.FEWEST:
        return None
    return volumes.record(volumes.agreement(line.mm3[:, 0], line.mm3[:, 1]))


def _mean_sd(found: Summary) -> list[float | None]:
    return [round(found.mean, 5), None if math.isnan(found.sd) else round(found.sd, 5)]


def merged(kept: Sequence[Row], found: Sequence[Row], titles: Sequence[str]) -> list[Row]:
    """The rows found now, and those of the other methods from before, in the order of the titles."""
    now = {row["method"] for row in found}
    rows = [*found, *(row for row in kept if row["method"] not in now)]
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


def _cell(found: list[float | None] | None, digits: int) -> str:
    """Mean ± SD as the tables print them; ``n/a`` for the SD of one image, ``missing`` for no image."""
    if found is None:
        return MISSING
    mean, sd = found
    return f"{number(mean, digits)} ± {'n/a' if sd is None else number(sd, digits)}"


def _machines(rows: Sequence[Row]) -> str:
    methods: dict[str, dict[str, None]] = {}
    for row in rows:
        methods.setdefault(row["measured_on"], {})[row["method"]] = None
    return "; ".join(f"{machine} ({', '.join(names)})" for machine, names in methods.items())
