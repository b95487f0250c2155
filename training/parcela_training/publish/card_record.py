"""What a card says of a network's evaluation, as plain values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import regions
from parcela_training.evaluation.record import Evaluation
from parcela_training.metrics.statistics import by_group, dead_regions, summarise

DIGITS = 4


def evaluation_record(opened: Evaluation, unopened: Evaluation) -> dict[str, Any]:
    """Mean Dice with and without the background, of each data set and each region.

    Args:
        opened: against the labels that the network learned, which everything but one number speaks of.
        unopened: against the same before their opening.
    """
    names = {known.index: known.name for known in regions()}
    medians, groups = opened.medians, by_group(opened.per_image, opened.datasets)
    by_dataset = np.array(opened.datasets)
    return {
        "subjects": len(opened.images),
        "mean_dice": round(float(opened.per_image.mean()), DIGITS),
        "all": _mean_sd(opened.per_image),
        "without_background": _mean_sd(opened.per_image_without_background),
        "against_unopened": _mean_sd(unopened.per_image),
        "per_data_set": {name: _mean_sd(opened.per_image[by_dataset == name]) for name in groups},
        "regions_found_in_every_image_at_least": int((opened.dice[:, 1:] > 0).sum(axis=1).min()),
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
