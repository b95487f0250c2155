"""From a label map on the model's grid to one on the scan's, by one inversion.

Each voxel of the scan has a place on the model's grid, and takes the label with the largest share of the eight
neighbours there, as linear interpolation weighs them.
It is what `parcela_inference.to_scan` does with class scores, for labels alone: each counts as a score of 1 where
it is.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.geometry import Affine
from parcela.imaging.trail import GeometryTrail

SLAB_VOXELS = 300_000
CORNERS = np.array(list(product((0, 1), repeat=3)))  # (8, 3)


def labels_on_scan(labels: NDArray[np.uint8], trail: GeometryTrail) -> NDArray[np.uint8]:
    """A label map on the scan's grid.

    Args:
        labels: (I, J, K) on the model's grid, 0 the background.
        trail: where the model's grid lies on the scan's.

    Returns:
        (X, Y, Z) uint8, 0 outside the model's grid.
    """
    matrix = trail.scan_to_model()
    found = np.zeros(trail.scan.shape, np.uint8)
    x, y, z = trail.reached_box()
    step = max(1, SLAB_VOXELS // max(1, (y.stop - y.start) * (z.stop - z.start)))
    for first in range(x.start, x.stop, step):
        slab = (slice(first, min(first + step, x.stop)), y, z)
        found[slab] = _slab(labels, _places(matrix, slab))
    return found


def _places(matrix: Affine, slab: tuple[slice, slice, slice]) -> NDArray[np.float64]:
    """Where the voxels of a slab of the scan lie on the model's grid: (x, y, z, 3) voxel indices."""
    axes = [np.arange(part.start, part.stop, dtype=np.float64) for part in slab]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    return np.asarray(index @ matrix[:3, :3].T + matrix[:3, 3])


def _slab(labels: NDArray[np.uint8], places: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The label of each place, (x, y, z); the edge is held for half a voxel, beyond it is background."""
    size = np.array(labels.shape)
    inside = ((places >= -0.5) & (places <= size - 0.5)).all(-1)
    places = places[inside]  # (n, 3)
    low = np.floor(places)
    corners = np.clip(low.astype(np.int64)[:, None] + CORNERS, 0, size - 1)  # (n, 8, 3)
    around = labels[corners[..., 0], corners[..., 1], corners[..., 2]]  # (n, 8)
    found = around[:, 0].copy()
    border = (around != found[:, None]).any(1)
    found[border] = _vote(around[border], (places - low)[border])
    slab = np.zeros(inside.shape, np.uint8)
    slab[inside] = found
    return slab


def _vote(around: NDArray[np.uint8], above: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The label with the largest share of each place, the lowest of those that are equal.

    Args:
        around: (m, 8) labels of the neighbours, in the order of ``CORNERS``.
        above: (m, 3) how far the place lies towards the upper neighbour along each axis, 0–1.
    """
    weights = np.where(CORNERS, above[:, None], 1 - above[:, None]).prod(-1)  # (m, 8)
    shares = np.zeros(around.shape)
    for corner in range(len(CORNERS)):
        shares += (around == around[:, corner, None]) * weights[:, corner, None]
    largest = shares >= shares.max(1, keepdims=True) - 1e-9
    lowest: NDArray[np.uint8] = np.where(largest, around, np.uint8(255)).min(1)
    return lowest
