"""One slice of an overlay: sampled on the picture's own pixels, then painted.

Sampling first keeps outlines one pixel thin and lengths true, however anisotropic the voxels are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import color_table

FILL, OUTLINE = 0.38, 0.95  # opacity of a region's inside and of its edge
MASK_INK, MASK_OPACITY = (255, 255, 255), 0.8


def sample_linear(plane: NDArray[np.float32], *grids: NDArray[np.float64]) -> NDArray[np.float32]:
    """``plane`` sampled on the product of two grids of indices, linearly, edges held."""
    for axis, grid in enumerate(grids):
        last = plane.shape[axis] - 1
        low = np.clip(np.floor(grid).astype(int), 0, last)
        shape = (-1, 1) if axis == 0 else (1, -1)
        weight = np.clip(grid - low, 0, 1).astype(np.float32).reshape(shape)
        high = np.take(plane, np.minimum(low + 1, last), axis)
        plane = np.take(plane, low, axis) * (1 - weight) + high * weight
    return plane


def sample_nearest(plane: NDArray[Any], *grids: NDArray[np.float64]) -> NDArray[Any]:
    """``plane`` sampled on the product of two grids of indices, nearest voxel, edges held."""
    columns, rows = (
        np.clip(np.rint(grid).astype(int), 0, size - 1)
        for grid, size in zip(grids, plane.shape, strict=True)
    )
    return np.asarray(plane[np.ix_(columns, rows)])


def paint(
    grey: NDArray[np.float32], ids: NDArray[Any], brain: NDArray[Any], window: tuple[float, float]
) -> NDArray[np.uint8]:
    """One slice as a picture.

    Args:
        grey: (height, width) intensities; NaN is drawn black.
        ids: (height, width) region ids, 0 for none: drawn as a translucent colour with an outline.
        brain: (height, width) brain mask: drawn as a white line, under the outlines of the regions.
        window: intensities drawn black and white.

    Returns:
        (height, width, 3) red, green, blue.
    """
    low, high = window
    tone = np.clip((np.nan_to_num(grey, nan=low) - low) / (high - low), 0, 1) * 255
    picture = np.repeat(tone[..., None], 3, axis=2)
    colors = color_table().astype(np.float32)
    edge = _edges(ids)
    for where, opacity in ((ids, FILL), (edge, OUTLINE)):
        inside = where > 0
        picture[inside] += opacity * (colors[where[inside]] - picture[inside])
    rim = (_edges((brain > 0).astype(np.uint8)) > 0) & (edge == 0)
    picture[rim] += MASK_OPACITY * (np.array(MASK_INK, np.float32) - picture[rim])
    return np.asarray(np.rint(picture), np.uint8)


def _edges(ids: NDArray[Any]) -> NDArray[Any]:
    """Lines one pixel wide between different ids: the id each is drawn for, 0 elsewhere."""
    edge = np.zeros_like(ids)
    for here, there in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        fresh = (ids[here] != ids[there]) & (edge[here] == 0)
        edge[here][fresh] = np.where(ids[here] > 0, ids[here], ids[there])[fresh]
    return edge
