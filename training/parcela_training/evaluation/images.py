"""Evaluate a network on one part of a prepared cohort: Dice, seconds and surface distances of every image.

Each image's row is on disk as soon as it is found, so that a killed evaluation goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT
from parcela_training.cohorts.cohort import Part
from parcela_training.evaluation.record import Evaluation
from parcela_training.journal import Journal, Row
from parcela_training.metrics.measures import dice, image_mean, surface_distances
from parcela_training.networks.predict import Predictor
from parcela_training.preparation.prepared import Prepared, PreparedSet
from parcela_training.progress import Tell
from parcela_training.thesis import Network

Against = Literal["opened", "unopened"]

AGAINST: tuple[Against, ...] = ("opened", "unopened")


@dataclass(frozen=True, slots=True)
class Way:
    """What to evaluate, and how closely.

    Attributes:
        network: which of the two.
        predict: image to label map; its seconds are those of Table 4.3.
        monai: the same by MONAI alone, to be timed beside on the first ``monai_images`` images.
        surface: measure surface distances against the opened labels too (some 8 s an image).
        made_from: what decides the rows, such as the hash of the weights; other rows are not reused.
    """

    network: Network
    predict: Predictor
    monai: Predictor | None = None
    monai_images: int = 0
    surface: bool = False
    made_from: Mapping[str, Any] = field(default_factory=dict)


def evaluate(
    way: Way,
    prepared: PreparedSet,
    part: Part,
    journal: Path,
    *,
    against: Sequence[Against] = AGAINST,
    tell: Tell | None = None,
) -> tuple[Evaluation, ...]:
    """Predict every image of a part and compare it with its labels: an evaluation for each of ``against``.

    Args:
        way: what is evaluated.
        prepared: the images and their labels.
        part: ``test``, ``val`` or ``train``.
        journal: the file of JSON lines that keeps the rows.
        against: the labels after their opening, before it, or both.
        tell: called after each image.

    Raises:
        ValueError: the part has no image.
    """
    names, files = prepared.ids(part), prepared.files(part)
    if not names:
        raise ValueError(f"the prepared cohort has no image in {part}")
    found = Journal(journal, {"network": way.network, "part": part, **way.made_from})
    for place, (name, file) in enumerate(zip(names, files, strict=True)):
        timed = place < way.monai_images and way.monai is not None
        if not _complete(found.rows.get(name), way, timed):
            found.add(name, _row(way, Prepared.load(file), timed))
        if tell:
            mean = image_mean(_floats(found.rows[name]["opened"]))
            tell(place + 1, len(names), f"{name} Dice {mean:.4f}")
    rows = [found.rows[name] for name in names]
    datasets = tuple(prepared.datasets[name] for name in names)
    return tuple(_evaluation(way.network, kind, tuple(names), datasets, rows) for kind in against)


def _complete(row: Row | None, way: Way, timed: bool) -> bool:
    if row is None:
        return False
    return ("hausdorff95_mm" in row or not way.surface) and (
        row["monai_seconds"] is not None or not timed
    )


def _row(way: Way, subject: Prepared, timed: bool) -> Row:
    image = subject.image.astype(np.float32)
    predicted, seconds = _timed(way.predict, image)
    row: Row = {
        "seconds": seconds,
        "monai_seconds": _timed(way.monai, image)[1] if timed and way.monai else None,
        "opened": _plain(dice(predicted, subject.label)),
        "unopened": _plain(dice(predicted, subject.registered)),
        "regions": int(np.count_nonzero(np.unique(predicted))),
    }
    if way.surface:
        x, y, z = np.linalg.norm(subject.affine[:3, :3], axis=0).tolist()
        distances = surface_distances(predicted, subject.label, (x, y, z))
        row["hausdorff95_mm"] = _plain(distances.hausdorff95_mm)
        row["average_surface_mm"] = _plain(distances.average_mm)
    return row


def _timed(predict: Predictor, image: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float]:
    begun = time.perf_counter()
    return predict(image), round(time.perf_counter() - begun, 4)


def _evaluation(
    network: Network,
    against: Against,
    names: tuple[str, ...],
    datasets: tuple[str, ...],
    rows: Sequence[Row],
) -> Evaluation:
    def surface(kind: str) -> NDArray[np.float64] | None:
        if against != "opened" or not any(kind in row for row in rows):
            return None
        return np.stack([_floats(row.get(kind, [None] * CLASS_COUNT)) for row in rows])

    return Evaluation(
        network,
        against,
        names,
        datasets,
        np.stack([_floats(row[against]) for row in rows]),
        _floats([row["seconds"] for row in rows]),
        surface("hausdorff95_mm"),
        surface("average_surface_mm"),
        _floats([row["monai_seconds"] for row in rows]),
    )


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)  # None becomes NaN
