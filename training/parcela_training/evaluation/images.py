"""Evaluate a network on one part of a prepared cohort: Dice, seconds and surface distances of every image.

Each image's row is on disk as soon as it is measured, so that a killed evaluation goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT
from parcela.options import Network
from parcela_training.evaluation.measuring import Measurement, measure
from parcela_training.evaluation.record import REFERENCES, Evaluation, Reference
from parcela_training.journal import Row
from parcela_training.jsonable import to_jsonable
from parcela_training.metrics.measures import dice, image_mean, surface_distances
from parcela_training.networks.predict import Predictor
from parcela_training.options import Part
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.progress import OnItem


@dataclass(frozen=True, slots=True)
class Evaluator:
    """What to evaluate, and how closely.

    Attributes:
        network: which of the two.
        predict: image to label map; its seconds are those of Table 4.3.
        monai: the same by MONAI alone, to be timed beside on the first ``monai_images`` images.
        surface: measure surface distances from the opened labels too (some 8 s an image).
        made_from: what decides the rows, such as the hash of the weights; other rows are not reused.
    """

    network: Network
    predict: Predictor
    monai: Predictor | None = None
    monai_images: int = 0
    surface: bool = False
    made_from: Mapping[str, Any] = field(default_factory=dict)


def evaluate(
    evaluator: Evaluator,
    prepared: PreparedSet,
    part: Part,
    journal: Path,
    *,
    references: Sequence[Reference] = REFERENCES,
    on_item: OnItem | None = None,
) -> tuple[Evaluation, ...]:
    """Predict every image of a part and compare it with its labels: an evaluation for each of ``references``.

    Args:
        evaluator: what is evaluated.
        prepared: the images and their labels.
        part: ``test``, ``val`` or ``train``.
        journal: the file of JSON lines that keeps the rows.
        references: the labels after their opening, before it, or both.
        on_item: called after each image.

    Raises:
        ValueError: the part has no image.
    """
    names, files = prepared.ids(part), prepared.files(part)
    if not names:
        raise ValueError(f"the prepared cohort has no image in {part}")
    rows = measure(
        [
            _measurement(evaluator, name, file, timed=place < evaluator.monai_images)
            for place, (name, file) in enumerate(zip(names, files, strict=True))
        ],
        journal,
        {"network": evaluator.network, "part": part, **evaluator.made_from},
        describe=lambda row: f"{row['name']} Dice {image_mean(_array(row['opened'])):.4f}",
        on_item=on_item,
    )
    datasets = tuple(prepared.datasets[name] for name in names)
    return tuple(
        _evaluation(evaluator.network, reference, tuple(names), datasets, rows)
        for reference in references
    )


def _measurement(evaluator: Evaluator, name: str, file: Path, *, timed: bool) -> Measurement:
    monai = evaluator.monai if timed else None

    def suffices(row: Row) -> bool:
        measured = "hausdorff95_mm" in row or not evaluator.surface
        return measured and (row["monai_seconds"] is not None or monai is None)

    return Measurement(
        name, lambda: _row(evaluator, PreparedImage.load(file), monai), suffices=suffices
    )


def _row(evaluator: Evaluator, subject: PreparedImage, monai: Predictor | None) -> Row:
    image = subject.image.astype(np.float32)
    predicted, seconds = _timed(evaluator.predict, image)
    row: Row = {
        "seconds": seconds,
        "monai_seconds": _timed(monai, image)[1] if monai else None,
        "opened": to_jsonable(dice(predicted, subject.label)),
        "unopened": to_jsonable(dice(predicted, subject.registered)),
        "regions": int(np.count_nonzero(np.unique(predicted))),
    }
    if evaluator.surface:
        x, y, z = np.linalg.norm(subject.affine[:3, :3], axis=0).tolist()
        distances = surface_distances(predicted, subject.label, (x, y, z))
        row["hausdorff95_mm"] = to_jsonable(distances.hausdorff95_mm)
        row["average_surface_mm"] = to_jsonable(distances.average_mm)
    return row


def _timed(predict: Predictor, image: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float]:
    started = time.perf_counter()
    return predict(image), round(time.perf_counter() - started, 4)


def _evaluation(
    network: Network,
    reference: Reference,
    names: tuple[str, ...],
    datasets: tuple[str, ...],
    rows: Sequence[Row],
) -> Evaluation:
    def surface(kind: str) -> NDArray[np.float64] | None:
        if reference != "opened" or not any(kind in row for row in rows):
            return None
        return _array([row.get(kind, [None] * CLASS_COUNT) for row in rows])

    return Evaluation(
        network,
        reference,
        names,
        datasets,
        _array([row[reference] for row in rows]),
        _array([row["seconds"] for row in rows]),
        surface("hausdorff95_mm"),
        surface("average_surface_mm"),
        _array([row["monai_seconds"] for row in rows]),
    )


def _array(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)  # None becomes NaN
