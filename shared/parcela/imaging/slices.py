"""Slices of a volume as pictures: cut, sampled on the picture's own pixels, then painted.

Every picture of a scan is drawn with these. Sampling first keeps outlines one pixel thin and lengths true, however
anisotropic the voxels are. A volume is turned to RAS+ before it is cut; the view is neurological: the left of a
coronal or axial slice is the subject's left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import color_table
from parcela.imaging.geometry import Affine, Shape

Pixels = NDArray[np.uint8]  # (height, width, 3), top row first
Indices = NDArray[np.float64]  # along one axis of a volume; fractions lie between voxels
_nibabel: Any = nib  # its orientation functions carry no types

PLANES = ("sagittal", "coronal", "axial")  # slices across the world's axes x, y and z
IN_PLANE = ((1, 2), (0, 2), (0, 1))  # the axes that run to the right and upwards in each
ENDS = (("P", "A"), ("L", "R"), ("L", "R"))  # what lies at the left and the right of each
NIGHT, INK, QUIET, ALARM = "#101114", "#f0f0f0", "#a9adb5", "#ffb347"
FILL, OUTLINE = 0.38, 0.95  # opacity of a region's inside and of its edge
MASK_INK, MASK_OPACITY = (255, 255, 255), 0.8


def to_ras(volume: NDArray[Any], affine: Affine) -> tuple[NDArray[Any], Affine]:
    """(X, Y, Z) turned and flipped, not resampled, to array axes nearest to RAS+, with the affine that it has then."""
    orientations = _nibabel.orientations
    turn = orientations.io_orientation(affine)
    turned = np.asarray(orientations.apply_orientation(volume, turn))
    return turned, np.asarray(affine @ orientations.inv_ornt_aff(turn, volume.shape))


def extent(inside: NDArray[Any], axis: int) -> tuple[int, int]:
    """First and last index along an axis of a volume where anything is not 0; the whole axis where nothing is."""
    hit = np.flatnonzero(inside.any(axis=IN_PLANE[axis]))
    return (int(hit[0]), int(hit[-1])) if hit.size else (0, inside.shape[axis] - 1)


def pixel_centres(pixels: int, voxels: int, first: int = 0) -> Indices:
    """Where the middles of a row of pixels lie that covers a row of voxels from the one called ``first``."""
    return np.asarray(first + (np.arange(pixels) + 0.5) * voxels / pixels - 0.5)


@dataclass(frozen=True, eq=False)
class Slice:
    """Where a volume is cut, and which of its places each pixel of the picture shows.

    Attributes:
        axis: across which it is cut: 0 sagittal, 1 coronal, 2 axial.
        at: index along that axis.
        right: (width,) indices along the axis that runs to the right.
        up: (height,) indices along the axis that runs upwards, the picture's bottom row first.
    """

    axis: int
    at: int
    right: Indices
    up: Indices

    def linear(self, volume: NDArray[Any]) -> NDArray[np.float32]:
        """(height, width) of intensities, interpolated linearly, edges held."""
        plane = np.take(volume, self.at, self.axis).astype(np.float32)
        for axis, indices in enumerate((self.right, self.up)):
            last = plane.shape[axis] - 1
            low = np.clip(np.floor(indices).astype(int), 0, last)
            shape = (-1, 1) if axis == 0 else (1, -1)
            weight = np.clip(indices - low, 0, 1).astype(np.float32).reshape(shape)
            high = np.take(plane, np.minimum(low + 1, last), axis)
            plane = np.take(plane, low, axis) * (1 - weight) + high * weight
        return np.asarray(plane.T[::-1])

    def nearest(self, volume: NDArray[Any]) -> NDArray[Any]:
        """(height, width) of ids, those of the nearest voxels, edges held."""
        plane = np.take(volume, self.at, self.axis)
        columns, rows = (
            np.clip(np.rint(indices).astype(int), 0, size - 1)
            for indices, size in zip((self.right, self.up), plane.shape, strict=True)
        )
        return np.asarray(plane[np.ix_(columns, rows)].T[::-1])

    def within(self, shape: Shape) -> NDArray[np.bool_]:
        """(height, width), True where a pixel lies between the middles of a volume's outermost voxels."""
        right, up = (
            (indices >= 0) & (indices <= shape[axis] - 1)
            for axis, indices in zip(IN_PLANE[self.axis], (self.right, self.up), strict=True)
        )
        return np.logical_and.outer(up[::-1], right)


def paint(
    grey: NDArray[np.float32],
    window: tuple[float, float],
    ids: NDArray[Any] | None = None,
    brain: NDArray[Any] | None = None,
) -> Pixels:
    """One slice as a picture.

    Args:
        grey: (height, width) intensities; NaN is drawn black.
        window: intensities drawn black and white.
        ids: (height, width) region ids, 0 for none: drawn as a translucent colour with an outline.
        brain: (height, width) brain mask: drawn as a white line, under the outlines of the regions.

    Returns:
        (height, width, 3) red, green, blue.
    """
    low, high = window
    tone = np.clip((np.nan_to_num(grey, nan=low) - low) / (high - low), 0, 1) * 255
    picture = np.repeat(tone[..., None], 3, axis=2)
    edge = np.zeros(grey.shape, np.uint8) if ids is None else _edges(ids)
    if ids is not None:
        colors = color_table().astype(np.float32)
        for where, opacity in ((ids, FILL), (edge, OUTLINE)):
            inside = where > 0
            picture[inside] += opacity * (colors[where[inside]] - picture[inside])
    if brain is not None:
        rim = (_edges((brain > 0).astype(np.uint8)) > 0) & (edge == 0)
        picture[rim] += MASK_OPACITY * (np.array(MASK_INK, np.float32) - picture[rim])
    return np.asarray(np.rint(picture), np.uint8)


def _edges(ids: NDArray[Any]) -> NDArray[Any]:
    """Lines one pixel wide between different ids: the id each is drawn for, 0 elsewhere."""
    edge = np.zeros_like(ids)
    for pixel, neighbour in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        fresh = (ids[pixel] != ids[neighbour]) & (edge[pixel] == 0)
        edge[pixel][fresh] = np.where(ids[pixel] > 0, ids[pixel], ids[neighbour])[fresh]
    return edge
