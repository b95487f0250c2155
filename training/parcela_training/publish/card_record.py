"""What a card says of a network's evaluation, as plain values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import regions
from parcela_training.evaluation.record import Evaluation
from parcela_training.metrics.statistics import by_group, dead_regions, summarise

DIGITS = 4


def evaluation_record(evaluation: Evaluation, against_unopened: Evaluation) -> dict[str, Any]:
    """Mean Dice with and without the background, of each data set and each region.

    Args:
        evaluation: against the labels that the network learned, which everything but one number speaks of.
        against_unopened: against the same before their opening.
    """
    names = {region.index: region.name for region in regions()}
    medians, groups = evaluation.medians, by_group(evaluation.per_image, evaluation.datasets)
    by_dataset = np.array(evaluation.datasets)
    return {
        "subjects": len(evaluation.images),
        "mean_dice": round(float(evaluation.per_image.mean()), DIGITS),
        "all": _mean_sd(evaluation.per_image),
        "without_background": _mean_sd(evaluation.per_image_without_background),
        "against_unopened": _mean_sd(against_unopened.per_image),
        "per_data_set": {
            name: _mean_sd(evaluation.per_image[by_dataset == name]) for name in groups
        },
        "regions_found_in_every_image_at_least": int(
            (evaluation.dice[:, 1:] > 0).sum(axis=1).min()
        ),
        "regions_with_median_0": [names[i] for i in dead_regions(medians)],
        "median_dice_background": round(float(medians[0]), DIGITS),
        "median_dice_per_region": {
            name: round(float(medians[i]), DIGITS)
            for i, name in names.items()
            if not np.isnan(medians[i])
        },
    }


def _mean_sd(values: NDArray[np.float64]) -> dict[str, float | int]:
    summary = summarise(values)
    sd = 0.0 if summary.n == 1 else summary.sd
    return {"mean": round(summary.mean, DIGITS), "sd": round(sd, DIGITS), "n": summary.n}
