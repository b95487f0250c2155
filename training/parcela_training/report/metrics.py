"""``metrics.json``: everything that the tables print, in full precision, for programs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from parcela.atlas.aal import regions
from parcela_training.evaluation.record import Evaluation
from parcela_training.jsonable import to_jsonable
from parcela_training.metrics.statistics import by_group, dead_regions, summarise
from parcela_training.report.comparisons import pairs
from parcela_training.report.further_tables import surface_summary
from parcela_training.report.record import ExperimentRecord, NetworkRecord
from parcela_training.report.tables import (
    monai_seconds,
    prediction_seconds,
    registration_seconds,
)
from parcela_training.thesis import PUBLISHED

SCHEMA_VERSION = 1


def to_metrics(record: ExperimentRecord) -> str:
    """The text of ``metrics.json``: Dice are fractions, null is missing."""
    registration = registration_seconds(record)
    registration_s = registration.mean if registration else None
    repeats = record.registration.repeat_dice if record.registration else ()
    metrics = {
        "schema_version": SCHEMA_VERSION,
        "preset": record.preset,
        "cohort": record.cohort,
        "split": record.split,
        "hardware": record.hardware,
        "versions": dict(record.versions),
        "seeds": dict(record.seeds),
        "remarks": record.remarks,
        "networks": [_network(run, registration_s) for run in record.networks],
        "beside": [_network(run, registration_s) for run in record.beside],
        "comparisons": [
            {
                "first": pair.first,
                "second": pair.second,
                "against": pair.reference,
                "result": pair.result,
            }
            for pair in pairs(record)
        ],
        "registration_seconds": registration,
        "registration_repeat_dice": summarise(np.array(repeats)) if repeats else None,
        "thesis": PUBLISHED,
    }
    return json.dumps(to_jsonable(metrics), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _network(run: NetworkRecord, registration_s: float | None) -> dict[str, Any]:
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
        "prediction_seconds": seconds,
        "monai_prediction_seconds": monai,
        "times_faster_than_registration": (
            registration_s / seconds.mean if registration_s and seconds else None
        ),
        "evaluations": [_evaluation(evaluation) for evaluation in run.evaluations],
    }


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    names = {region.index: region.name for region in regions()}
    medians = evaluation.medians
    surfaces = {
        "hausdorff95_mm": evaluation.hausdorff95_mm,
        "average_surface_mm": evaluation.average_surface_mm,
    }
    groups = by_group(evaluation.per_image, evaluation.datasets)
    return {
        "against": evaluation.reference,
        "dice": summarise(evaluation.per_image),
        "dice_without_background": summarise(evaluation.per_image_without_background),
        "dice_by_data_set": groups,
        "dice_by_image": dict(zip(evaluation.images, evaluation.per_image.tolist(), strict=True)),
        "median_dice_by_region": {names[i]: float(medians[i]) for i in names},
        "regions_with_median_0": [names[i] for i in dead_regions(medians)],
        "regions_absent_from_labels": evaluation.absent,
        **{
            name: None if values is None else surface_summary(values)
            for name, values in surfaces.items()
        },
    }
