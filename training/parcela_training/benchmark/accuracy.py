"""The one table: every way to label a brain, against the same bronze labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas import regions
from parcela_training.benchmark.methods import Family
from parcela_training.cohorts.cohort import Part
from parcela_training.evaluate import AGAINST, Against
from parcela_training.journal import Journal, Row
from parcela_training.measures import image_mean
from parcela_training.prepared import Prepared, PreparedSet
from parcela_training.report.cells import spread
from parcela_training.report.document import Table
from parcela_training.statistics import by_group, dead_regions, region_medians, summarise
from parcela_training.telling import Tell

DEEP = ("Hippocampus", "Amygdala", "Thalamus", "Caudate", "Putamen", "Pallidum")


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One method on so many images.

    Attributes:
        title: of the method.
        datasets: the data set of each image.
        dice: by labels, (n, 117).
        seconds: (n,).
    """

    title: str
    datasets: tuple[str, ...]
    dice: Mapping[Against, NDArray[np.float64]]
    seconds: NDArray[np.float64]


def run_family(
    family: Family, prepared: PreparedSet, part: Part, folder: Path, tell: Tell
) -> list[Line]:
    """Run a family's methods on the images of a part; what ``folder`` already holds is not run again."""
    names = prepared.ids(part)[: family.images]
    files = prepared.files(part)[: len(names)]
    made_from = {"part": part, "preset": prepared.preset, **family.made_from}
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
    return Line(title, datasets, dice, np.array([row[key]["seconds"] for row in rows], np.float64))


def deep_ids() -> list[int]:
    """Ids of the six deep structures, left and right."""
    return [known.index for known in regions() if known.name.rpartition("_")[0] in DEEP]


def table(lines: Sequence[Line], part: Part) -> Table:
    """Mean Dice of 117 classes and of the deep regions, ± SD over images; a row for each method and set of labels."""
    kinds = sorted({name for line in lines for name in line.datasets})
    rows = []
    for line in lines:
        for against in AGAINST:
            per_image = image_mean(line.dice[against])
            groups = by_group(per_image, line.datasets)
            deep = summarise(image_mean(line.dice[against][:, [0, *deep_ids()]], background=False))
            rows.append(
                (
                    line.title,
                    against,
                    str(len(line.datasets)),
                    spread(summarise(per_image), 4),
                    *(spread(groups.get(kind), 4) for kind in kinds),
                    spread(deep, 4),
                    spread(summarise(line.seconds), 1),
                )
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
        tuple(rows),
        "Mean ± SD over images; the mean of 117 classes counts the background. Registrations are opened before they "
        "are compared with opened labels; the networks' maps are compared as they are. SyN against itself: two runs "
        "with different seeds on the same image, which is the labels' own noise. Deep structures: "
        f"{', '.join(DEEP).lower()}, both sides.",
        missing="nothing was run.",
    )


def metrics(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The same for programs, with each region's median and the ten weakest regions."""
    names = {known.index: known.name for known in regions()}
    found = []
    for line in lines:
        for against in AGAINST:
            medians = region_medians(line.dice[against])
            order = [
                i for i in np.argsort(medians[1:], kind="stable") + 1 if not np.isnan(medians[i])
            ]
            found.append(
                {
                    "method": line.title,
                    "labels": against,
                    "dice_by_image": [round(float(v), 5) for v in image_mean(line.dice[against])],
                    "mean_dice": round(float(image_mean(line.dice[against]).mean()), 5),
                    "mean_dice_without_background": round(
                        float(image_mean(line.dice[against], background=False).mean()), 5
                    ),
                    "regions_with_median_0": [names[i] for i in dead_regions(medians)],
                    "ten_weakest": {names[int(i)]: round(float(medians[i]), 4) for i in order[:10]},
                }
            )
    return found
