"""The morphological opening of a label map, region by region, as two presets.

The method published says only that an opening with a 3×3×3 element follows the registration. An opening of the map's
numbers would turn regions into each other, so here every region is opened on its own: eroded, then dilated. What is
opened lies inside what was, so that regions never compete for a voxel; a region that would vanish keeps all of its
voxels. (That each region is opened on its own, and that none may vanish, are choices made here.)

``thesis`` leaves the voxels that were removed in the background. ``modern`` gives each to the nearest region.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.options import Preset

Labels = NDArray[np.uint8]

ELEMENT = (3, 3, 3)  # voxels
REACH = 6  # voxels around a removed one that are searched before the whole map is
NOBODY = 255  # no id of AAL's


def open_labels(
    labels: Labels, opening: Preset = "modern", element: tuple[int, int, int] = ELEMENT
) -> Labels:
    """Open every region of a label map.

    Outside the volume counts as background.

    Args:
        labels: (I, J, K) uint8, 0 the background, ids below 255.
        opening: ``thesis``: voxels removed become background. ``modern``: they go to the nearest surviving region, so
            that the labelled part of the volume stays what it was. Distance is counted in voxels; of equally near
            regions the voxel's own comes first, then the one with the lowest id.
        element: of the opening, in voxels along each axis.

    Returns:
        (I, J, K) uint8, with every id that was there before.
    """
    opened = _open_each_region(labels, np.ones(element, dtype=bool))
    return opened if opening == "thesis" else _give_back(opened, labels)


def _open_each_region(labels: Labels, element: NDArray[np.bool_]) -> Labels:
    opened = np.zeros_like(labels)
    for region, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        mask = np.pad(labels[box] == region, 1)
        opened_mask = ndimage.binary_opening(mask, element)
        opened[box][(opened_mask if opened_mask.any() else mask)[1:-1, 1:-1, 1:-1]] = region
    return opened


def _give_back(opened: Labels, labels: Labels) -> Labels:
    """Each voxel of ``labels`` that ``opened`` lacks, given to the nearest region of ``opened``."""
    around = np.pad(opened, REACH)
    places = np.argwhere((labels > 0) & (opened == 0))  # (n, 3)
    given = opened.copy()
    for shell in _shells():
        if not len(places):
            return given
        rows = tuple(places.T)
        nearest = _nearest(around, places, shell, labels[rows])
        given[rows] = np.where(nearest == NOBODY, 0, nearest)
        places = places[nearest == NOBODY]
    _give_back_far(given, opened, places)
    return given


def _shells() -> Iterator[NDArray[np.int_]]:
    """Offsets around a voxel, the nearest first, those at one distance together: (m, 3) each."""

    def squared(offset: tuple[int, ...]) -> int:
        return sum(step * step for step in offset)

    offsets = sorted(product(range(-REACH, REACH + 1), repeat=3), key=squared)
    for distance, shell in groupby(offsets, squared):
        if 0 < distance <= REACH * REACH:
            yield np.array(list(shell))


def _nearest(
    around: Labels, places: NDArray[np.int_], shell: NDArray[np.int_], own_regions: Labels
) -> Labels:
    """The region that each place finds at this distance, (n,); ``NOBODY`` where there is none."""
    lowest = np.full(len(places), NOBODY, np.uint8)
    meets_own = np.zeros(len(places), np.bool_)
    for offset in shell:
        met = around[tuple((places + offset + REACH).T)]
        meets_own |= met == own_regions
        lowest = np.where(met > 0, np.minimum(lowest, met), lowest)
    return np.where(meets_own, own_regions, lowest)


def _give_back_far(given: Labels, opened: Labels, places: NDArray[np.int_]) -> None:
    """Fill the rare places with no region within reach, by an exact distance transform (Euclidean, in voxels)."""
    if len(places):
        rows = tuple(places.T)
        nearest = ndimage.distance_transform_edt(
            opened == 0, return_distances=False, return_indices=True
        )
        given[rows] = opened[tuple(axis[rows] for axis in nearest)]
