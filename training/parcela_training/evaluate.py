"""Dice of a network on a split of the prepared cohort, as the published figures define it.

Per image the mean of the 117 Dice coefficients, background counted; a region that the label lacks
is missing from every mean and median.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from parcela.atlas import regions
from parcela_inference.networks import MODEL_SHAPE
from parcela_training.predict import dice_per_region, predict
from parcela_training.samples import Samples


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Dice (subjects, 117) and the number of regions present in each predicted map."""

    names: tuple[str, ...]
    datasets: tuple[str, ...]
    dice: NDArray[np.float64]
    regions_present: tuple[int, ...]

    @property
    def per_image(self) -> NDArray[np.float64]:
        """The mean-117 Dice of each subject."""
        means: NDArray[np.float64] = np.nanmean(self.dice, axis=1)
        return means

    @property
    def per_region(self) -> NDArray[np.float64]:
        """The median Dice of each of the 117 classes over the subjects."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a region absent from every label
            medians: NDArray[np.float64] = np.nanmedian(self.dice, axis=0)
        return medians

    def dead_regions(self) -> list[str]:
        """The regions whose median Dice is 0."""
        return [known.name for known in regions() if self.per_region[known.index] == 0]

    def record(self) -> dict[str, Any]:
        """Everything a card says of this evaluation, as plain values."""
        return {
            "subjects": len(self.names),
            "mean_dice": round(float(self.per_image.mean()), 4),
            "all": _mean_sd(self.per_image),
            "per_data_set": {
                name: _mean_sd(self.per_image[[known == name for known in self.datasets]])
                for name in sorted(set(self.datasets))
            },
            "regions_present_in_every_map_at_least": min(self.regions_present),
            "regions_with_median_0": self.dead_regions(),
            "median_dice_background": round(float(self.per_region[0]), 4),
            "median_dice_per_region": {
                known.name: round(float(self.per_region[known.index]), 4) for known in regions()
            },
        }


def _mean_sd(values: NDArray[np.float64]) -> dict[str, float | int]:
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {"mean": round(float(values.mean()), 4), "sd": round(spread, 4), "n": len(values)}


def evaluate(
    network: nn.Module,
    samples: Samples,
    datasets: dict[str, str],
    say: Callable[[str], None],
) -> Evaluation:
    """Predict every sample with a network in evaluation mode and compare it with its label."""
    network.eval()
    i, j, k = MODEL_SHAPE
    dice, present = [], []
    for index, name in enumerate(samples.names):
        started = time.perf_counter()
        sample = samples.get(index)
        predicted = predict(network, sample.image)
        dice.append(dice_per_region(predicted, sample.label[:i, :j, :k].numpy()))
        present.append(len(np.unique(predicted[predicted > 0])))
        seconds = time.perf_counter() - started
        say(f"{name} Dice {np.nanmean(dice[-1]):.4f} {present[-1]} regions {seconds:.0f} s")
    names = tuple(samples.names)
    kinds = tuple(datasets[name] for name in names)
    return Evaluation(names, kinds, np.stack(dice), tuple(present))
