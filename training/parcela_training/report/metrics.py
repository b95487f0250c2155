"""``metrics.json``: everything that the tables print, in full precision, for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np

from parcela.atlas.aal import regions
from parcela_training.evaluation.record import Evaluation
from parcela_training.metrics.statistics import by_group, dead_regions, summarise
from parcela_training.report.comparisons import pairs
from parcela_training.report.further_tables import surface_summary
from parcela_training.report.record import NetworkRun, RunRecord
from parcela_training.report.tables import (
    monai_seconds,
    prediction_seconds,
    registration_seconds,
)
from parcela_training.thesis import PUBLISHED

SCHEMA_VERSION = 1


def to_metrics(record: RunRecord) -> str:
    """The text of ``metrics.json``: Dice are fractions, null is missing."""
    registration = registration_seconds(record)
    registration_s = registration.mean if registration else None
    repeats = record.registration.repeat_dice if record.registration else ()
    found = {
        "schema_version": SCHEMA_VERSION,
        "preset": record.preset,
        "cohort": record.cohort,
        "split": asdict(record.split),
        "hardware": record.hardware,
        "versions": dict(record.versions),
        "seeds": dict(record.seeds),
        "remarks": record.remarks,
        "networks": [_network(run, registration_s) for run in record.networks],
        "beside": [_network(run, registration_s) for run in record.beside],
        "comparisons": [asdict(pair) for pair in pairs(record)],
        "registration_seconds": registration and asdict(registration),
        "registration_repeat_dice": asdict(summarise(np.array(repeats))) if repeats else None,
        "thesis": {network: asdict(published) for network, published in PUBLISHED.items()},
    }
    return json.dumps(_finite(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _network(run: NetworkRun, registration_s: float | None) -> dict[str, Any]:
    seconds, monai = prediction_seconds(run), monai_seconds(run)
    return {
        "network": run.network,
        "variant": run.variant,
        "origin": run.origin,
        "settings": dict(run.settings),
        "training_hours": run.training_hours,
        "epochs_reached": run.epochs_reached,
        "epochs_planned": run.epochs_planned,
        "training_seconds_per_image": run.training_s_per_image,
        "prediction_seconds": seconds and asdict(seconds),
        "monai_prediction_seconds": monai and asdict(monai),
        "times_faster_than_registration": (
            registration_s / seconds.mean if registration_s and seconds else None
        ),
        "evaluations": [_evaluation(evaluation) for evaluation in run.evaluations],
    }


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    names = {known.index: known.name for known in regions()}
    medians = evaluation.medians
    surfaces = {
        "hausdorff95_mm": evaluation.hausdorff95_mm,
        "average_surface_mm": evaluation.average_surface_mm,
    }
    groups = by_group(evaluation.per_image, evaluation.datasets)
    return {
        "against": evaluation.against,
        "dice": asdict(summarise(evaluation.per_image)),
        "dice_without_background": asdict(summarise(evaluation.per_image_without_background)),
        "dice_by_data_set": {name: asdict(summary) for name, summary in groups.items()},
        "dice_by_image": dict(zip(evaluation.images, evaluation.per_image.tolist(), strict=True)),
        "median_dice_by_region": {names[i]: float(medians[i]) for i in names},
        "regions_with_median_0": [names[i] for i in dead_regions(medians)],
        "regions_absent_from_labels": evaluation.absent,
        **{
            name: summary and asdict(summary)
            for name, values in surfaces.items()
            for summary in [None if values is None else surface_summary(values)]
        },
    }


def _finite(value: Any) -> Any:
    """NaN, such as the SD of one image, as null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
