"""What holds a network back: the images it has not seen, or what its architecture can draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from parcela.atlas.aal import CLASS_COUNT
from parcela.atlas.counts import RegionCounts
from parcela_training.metrics.measures import Labels

Floats = NDArray[np.float64]


def at_every_other_voxel(labels: Labels) -> Labels:
    """(X, Y, Z) labels, of which every other voxel of each axis is kept and stands for all eight."""
    coarse = labels[::2, ::2, ::2]
    for axis, size in enumerate(labels.shape):
        coarse = coarse.repeat(2, axis).take(range(size), axis)
    return coarse


def surface_per_volume(labels: Labels) -> Floats:
    """(116,) faces that each region shares with another class or the array's end, by its voxels; NaN without any."""
    padded = np.pad(labels, 1)
    faces = np.zeros(CLASS_COUNT)
    for axis in range(labels.ndim):
        before, after = np.delete(padded, -1, axis), np.delete(padded, 0, axis)
        rim = before != after
        for side in (before, after):
            faces += np.bincount(side[rim], minlength=CLASS_COUNT)
    volume = RegionCounts.of(labels).by_class
    ratio = np.full(CLASS_COUNT, np.nan)
    np.divide(faces, volume, out=ratio, where=volume > 0)
    return ratio[1:]


@dataclass(frozen=True, slots=True)
class Gap:
    """One network's regions over another's.

    Attributes:
        ahead: regions of 116 whose median Dice is higher.
        rho, p: Spearman's, over regions, of the gap in median Dice with surface per volume.
    """

    ahead: int
    rho: float
    p: float


def gap(one: Floats, other: Floats, surface: Floats) -> Gap:
    """Of (n, 117) Dice of two networks on the same images, and (n, 116) surface per volume of their labels."""
    difference = np.nanmedian(one[:, 1:], axis=0) - np.nanmedian(other[:, 1:], axis=0)
    correlation = spearmanr(difference, np.nanmedian(surface, axis=0), nan_policy="omit")
    return Gap(int((difference > 0).sum()), float(correlation.statistic), float(correlation.pvalue))
