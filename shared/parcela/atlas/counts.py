"""What a label map holds, counted once: voxels and middle of each region, which are there, and Dice of two maps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT, REGION_COUNT

Counts = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RegionCounts:
    """The voxels of each region of one label map.

    Attributes:
        by_class: (117,) voxels of each id, the background first.
    """

    by_class: Counts

    @classmethod
    def of(cls, labels: NDArray[Any]) -> RegionCounts:
        """Count a label map, (X, Y, Z) ids 0 to 116 of any unsigned integer type.

        Raises:
            ValueError: an id over 116.
        """
        if labels.max() >= CLASS_COUNT:
            raise ValueError(f"id {labels.max()} in a label map of {REGION_COUNT} regions")
        by_class = np.zeros(CLASS_COUNT, np.intp)
        for slab in labels:  # bincount makes 64-bit copies of what it counts
            by_class += np.bincount(slab.ravel(), minlength=CLASS_COUNT)
        return cls(by_class)

    @property
    def by_region(self) -> Counts:
        """(116,) voxels of each region, in the order of their ids."""
        return self.by_class[1:]

    @cached_property
    def missing(self) -> tuple[int, ...]:
        """Ids of the regions without a voxel."""
        return tuple(int(place) + 1 for place in np.flatnonzero(self.by_region == 0))

    @property
    def found(self) -> int:
        """How many of the 116 regions have a voxel."""
        return REGION_COUNT - len(self.missing)


def mean_places(labels: NDArray[np.uint8]) -> Floats:
    """(116, 3) mean voxel index of each region's voxels; NaN for a region without one.

    Args:
        labels: (X, Y, Z) ids 0 to 116.
    """
    where = np.nonzero(labels)
    ids = labels[where]
    voxels = np.bincount(ids, minlength=CLASS_COUNT).astype(np.float64)
    voxels[voxels == 0] = np.nan
    sums = [np.bincount(ids, axis, minlength=CLASS_COUNT) for axis in where]
    return np.asarray(np.stack(sums, -1)[1:] / voxels[1:, None])


def dice(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Floats:
    """(117,) Dice of each class between two label maps, background first; NaN where neither map has it.

    Args:
        one, other: (X, Y, Z) ids 0 to 116 on one grid.

    Raises:
        ValueError: the maps differ in shape, or hold an id over 116.
    """
    if one.shape != other.shape:
        raise ValueError(f"label maps of shape {one.shape} and {other.shape}")
    both = np.zeros(CLASS_COUNT, np.intp)
    for slab, other_slab in zip(one, other, strict=True):
        both += np.bincount(slab[slab == other_slab], minlength=CLASS_COUNT)
    return dice_of_sizes(both, RegionCounts.of(one).by_class, RegionCounts.of(other).by_class)


def dice_of_sizes(both: Any, one: Any, other: Any) -> Floats:
    """2|A∩B| / (|A| + |B|) from three sizes or arrays of them; NaN where A and B are empty.

    Dice 1945, doi:10.2307/1932409.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(2.0 * both / np.asarray(one + other, np.float64))
