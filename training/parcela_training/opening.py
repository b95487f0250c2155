"""The ``modern`` morphological opening of a label map, which loses neither voxels nor regions.

Opening each region on its own (erosion, then dilation, with a 3×3×3 element) removes thin parts.
Here each removed voxel goes to the nearest region that survives, so the labelled support stays
exactly what it was, and a region too thin to survive keeps all its voxels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.uint8]

ELEMENT = np.ones((3, 3, 3), dtype=bool)


def open_labels(labels: Labels) -> Labels:
    """Open every region of a label map (0 is background) and keep its support.

    Outside the volume counts as background. Of two equally near regions, scipy's exact distance
    transform chooses; the choice is the same every time.
    """
    survivors = _open_each_region(labels)
    return _fill_from_nearest(survivors, support=labels > 0)


def _open_each_region(labels: Labels) -> Labels:
    opened = np.zeros_like(labels)
    for region, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        mask = np.pad(labels[box] == region, 1)
        kept = ndimage.binary_opening(mask, structure=ELEMENT)
        if not kept.any():
            kept = mask
        opened[box][kept[1:-1, 1:-1, 1:-1]] = region
    return opened


def _fill_from_nearest(survivors: Labels, support: NDArray[np.bool_]) -> Labels:
    removed = support & (survivors == 0)
    if not removed.any():
        return survivors
    nearest = ndimage.distance_transform_edt(
        survivors == 0, return_distances=False, return_indices=True
    )
    filled = survivors.copy()
    filled[removed] = survivors[tuple(axis[removed] for axis in nearest)]
    return filled
