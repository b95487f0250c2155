"""The statistics of an evaluation: intervals of a mean, two networks compared, regions ranked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parcela_training.thesis import Z_95

Floats = NDArray[np.float64]

DDOF = 1  # every SD here is the sample's, divided by n − 1
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean ± SD (n − 1) of so many values, and the 95 % interval of the mean.

    SD and interval are NaN for a single value.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float


def summarise(values: Floats) -> Summary:
    """Summary of (n,) values, one per image.

    Raises:
        ValueError: no value, or one that is not finite.
    """
    if not values.size or not np.isfinite(values).all():
        raise ValueError(f"a mean needs finite values, got {values}")
    mean = float(values.mean())
    sd = float(values.std(ddof=DDOF)) if values.size > DDOF else math.nan
    return Summary(values.size, mean, sd, *interval(mean, sd, values.size))


def interval(mean: float, sd: float, n: int) -> tuple[float, float]:
    """95 % interval of a mean: mean ∓ 1.96 · SD / √n, by the normal approximation."""
    halfwidth = Z_95 * sd / math.sqrt(n)
    return mean - halfwidth, mean + halfwidth


def by_group(values: Floats, groups: Sequence[str]) -> dict[str, Summary]:
    """Summary of the values of each group, such as a data set, by name in alphabetical order."""
    names = np.asarray(groups)
    return {str(name): summarise(values[names == name]) for name in np.unique(names)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two networks on the same images.

    Attributes:
        n: images.
        mean_difference: of first minus second.
        low, high: 95 % percentile-bootstrap interval of that mean, images drawn with replacement.
        p_value: two-sided Wilcoxon signed-rank test; 1 where no image differs.
        resamples, seed: of the bootstrap.
    """

    n: int
    mean_difference: float
    low: float
    high: float
    p_value: float
    resamples: int
    seed: int


def compare(
    first: Floats, second: Floats, *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Paired comparison of (n,) values with (n,) values of the same images in the same order.

    Wilcoxon 1945, doi:10.2307/3001968; Efron 1979, doi:10.1214/aos/1176344552.

    Raises:
        ValueError: lengths differ, or as in ``summarise``.
    """
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} values cannot be paired with {second.shape}")
    differences = first - second
    mean = summarise(differences).mean
    low, high = bootstrap_interval(differences, resamples, seed)
    p_value = signed_rank_p_value(differences)
    return Comparison(differences.size, mean, low, high, p_value, resamples, seed)


def bootstrap_interval(values: Floats, resamples: int, seed: int) -> tuple[float, float]:
    """95 % percentile interval of the mean of (n,) values; the same seed gives the same ends."""
    from scipy.stats import bootstrap

    if values.size == 1:  # a single image: every resample is itself
        return float(values[0]), float(values[0])
    interval = bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def signed_rank_p_value(differences: Floats) -> float:
    """Two-sided p of the Wilcoxon signed-rank test, differences of 0 left out; 1 where all are."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0


def region_medians(dice: Floats) -> Floats:
    """(117,) median Dice over the images of (n, 117); NaN for a class that no label holds."""
    held = ~np.isnan(dice).all(axis=0)
    medians = np.full(dice.shape[1], np.nan)
    medians[held] = np.nanmedian(dice[:, held], axis=0)
    return medians


def best_regions(medians: Floats, count: int = 5) -> tuple[int, ...]:
    """Ids of the regions of the highest medians, best first; ties by id, the lower first."""
    return _ranked(-medians)[:count]


def worst_regions(medians: Floats, count: int = 5) -> tuple[int, ...]:
    """Ids of the regions of the lowest medians, worst first; ties by id, the lower first."""
    return _ranked(medians)[:count]


def _ranked(scores: Floats) -> tuple[int, ...]:
    """Region ids by rising score; neither the background nor a region without a score."""
    order = np.argsort(scores[1:], kind="stable") + 1
    return tuple(int(index) for index in order if not np.isnan(scores[index]))


def dead_regions(medians: Floats) -> tuple[int, ...]:
    """Ids of the regions whose median is 0: no voxel right in half of the images."""
    return tuple(int(index) for index in np.flatnonzero(medians[1:] == 0) + 1)
