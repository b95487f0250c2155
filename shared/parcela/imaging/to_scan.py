"""From a label map on the model's grid to one on the scan's, by one inversion of the geometry trail.

The geometric steps compose to one affine map between voxel indices, so each voxel of the scan has a place among eight
voxels of the model's grid. Where these eight agree, theirs is its label. Along borders a service decides, by its
scores or by its labels alone. Undoing the steps one by one on labels would resample them twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.geometry import Affine, Shape
from parcela.imaging.trail import GeometryTrail

SLAB_VOXELS = 300_000  # of the scan, at a time
CORNERS = np.array(list(product((0, 1), repeat=3)))  # (8, 3)

Real = TypeVar("Real", bound=np.floating[Any])
Slab = tuple[slice, slice, slice]
Rows = NDArray[np.int64]
Offsets = NDArray[np.float64]
Decide = Callable[[Rows, Offsets], NDArray[np.uint8]]

STRAIGHT_VOXELS = 1e-6  # that the places of a whole scan may stray from an axis


@dataclass(frozen=True, slots=True, eq=False)
class AxisPlaces:
    """Where the voxels along one axis of the scan lie along one of the model's grid, if both grids share their axes.

    Attributes:
        of_scan: the axis of the scan.
        first: the first of its voxels that the model's grid reaches.
        places: of it and those that follow, (n,) in voxels of the model's grid; the edge is held for half a voxel.
    """

    of_scan: int
    first: int
    places: NDArray[np.float64]

    def between(self, low: int, high: int) -> slice:
        """The scan's voxels whose places lie from one voxel of the model's grid up to before another."""
        (hit,) = np.nonzero((self.places >= low) & (self.places < high))
        return (
            slice(self.first + int(hit[0]), self.first + int(hit[-1]) + 1)
            if hit.size
            else slice(0, 0)
        )

    def at(self, part: slice) -> NDArray[np.float64]:
        """The places of some of the scan's voxels."""
        return self.places[part.start - self.first : part.stop - self.first]


def places_along_axes(trail: GeometryTrail) -> tuple[AxisPlaces, ...] | None:
    """The places of the scan's voxels along each axis of the model's grid; None where an axis runs along no other."""
    matrix = trail.scan_to_model()
    scales, moves = matrix[:3, :3], matrix[:3, 3]
    of_scan = np.abs(scales).argmax(1)
    across = np.abs(scales) * np.array(trail.scan.shape)
    across[np.arange(3), of_scan] = 0
    if len(set(of_scan)) < 3 or across.max() > STRAIGHT_VOXELS:
        return None
    axes = []
    for axis, size in enumerate(trail.model.shape):
        along = int(of_scan[axis])
        every = np.arange(trail.scan.shape[along]) * scales[axis, along] + moves[axis]
        (inside,) = np.nonzero((every >= -0.5) & (every <= size - 0.5))
        first = int(inside[0]) if inside.size else 0
        axes.append(AxisPlaces(along, first, np.clip(every[inside], 0, size - 1)))
    return tuple(axes)


def labels_on_scan(
    labels: NDArray[np.uint8], trail: GeometryTrail, decide: Decide
) -> NDArray[np.uint8]:
    """A label map on the scan's grid, made a slab at a time.

    Args:
        labels: (I, J, K) on the model's grid, 0 the background.
        trail: where the model's grid lies on the scan's.
        decide: gives the labels, (m,), of the places of one slab whose eight neighbours differ. It is given the
            neighbours, (m, 8) rows of ``labels.ravel()`` in the order of ``CORNERS``, and (m, 3) how far each place
            lies towards the upper neighbour along each axis, 0 to 1.

    Returns:
        (X, Y, Z) uint8. The edge of the model's grid is held for half a voxel; beyond it is background.
    """
    on_scan = np.zeros(trail.scan.shape, np.uint8)
    matrix, size, flat = trail.scan_to_model(), np.array(labels.shape), labels.ravel()
    for slab in _slabs(trail):
        places = _places(matrix, slab)
        inside = ((places >= -0.5) & (places <= size - 0.5)).all(-1)
        rows, offsets = _neighbours(places[inside], labels.shape)
        around = flat[rows]  # (n, 8)
        chosen = around[:, 0].copy()
        border = (around != chosen[:, None]).any(1)
        chosen[border] = decide(rows[border], offsets[border])
        on_scan[slab][inside] = chosen
    return on_scan


def linear_weights(offsets: NDArray[Real]) -> NDArray[Real]:
    """The share of each of the eight neighbours, (m, 8), in trilinear interpolation at (m, 3) ``offsets``."""
    weights: NDArray[Real] = np.where(CORNERS, offsets[:, None], 1 - offsets[:, None]).prod(-1)
    return weights


def _slabs(trail: GeometryTrail) -> Iterator[Slab]:
    """The part of the scan's grid that the model's grid, with half a voxel around, can reach, in slabs."""
    edges = [(-0.5, n - 0.5) for n in trail.model.shape]
    matrix = trail.model_to_scan()
    reached = np.asarray(list(product(*edges))) @ matrix[:3, :3].T + matrix[:3, 3]
    low = np.clip(np.ceil(reached.min(0) - 1e-6), 0, trail.scan.shape).astype(int)
    high = np.clip(np.floor(reached.max(0) + 1e-6) + 1, low, trail.scan.shape).astype(int)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    step = max(1, SLAB_VOXELS // max(1, (y.stop - y.start) * (z.stop - z.start)))
    for first in range(x.start, x.stop, step):
        yield slice(first, min(first + step, x.stop)), y, z


def _places(matrix: Affine, slab: Slab) -> NDArray[np.float64]:
    """Where the voxels of a slab of the scan lie on the model's grid: (x, y, z, 3) voxel indices."""
    axes = [np.arange(part.start, part.stop, dtype=np.float64) for part in slab]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    return np.asarray(index @ matrix[:3, :3].T + matrix[:3, 3])


def _neighbours(places: NDArray[np.float64], shape: Shape) -> tuple[Rows, Offsets]:
    """The eight voxels around each of (n, 3) places, (n, 8) rows, and where it lies between them, (n, 3)."""
    low = np.floor(places)
    corners = np.clip(low.astype(np.int64)[:, None] + CORNERS, 0, np.array(shape) - 1)
    return np.ravel_multi_index(tuple(np.moveaxis(corners, -1, 0)), shape), places - low
