"""The missing part of a brain that the field of view cuts: Colin27 laid over what is in view.

The networks have only seen whole heads: of half a brain beside nothing they find two thirds, of the same half beside
another person's half nine tenths. So Colin27's brain is fitted to the image in view, equalised as it is, and lends what
lies beyond the cut. The fit minimises squared differences of two smooth, coarse images over nine numbers (shift, turn,
size), inside the field of view alone; priors hold the size near a brain's and the turn near none, where half a brain
says little about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from monai.transforms import HistogramNormalize, ScaleIntensity
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from parcela.atlas.aal import COLIN27_BRAIN, intact
from parcela.imaging.geometry import box_of
from parcela.imaging.volume import read_volume

Array = NDArray[np.float64]
Image = NDArray[np.float32]
View = NDArray[np.bool_]

COARSE = 8  # mm and voxels: the images are of 1 mm
AROUND = 3 * COARSE
# Colin27's extents over those of ROBEX's masks, along x, y and z: means of the cohort's whole heads. The spreads are of
# natural logarithms, of the whole size and of each axis beside it.
SIZE = np.array([1.06, 1.035, 1.15])
SIZE_SPREAD, AXIS_SPREAD = 0.04, 0.035
TURN_SPREAD = 8.0  # degrees
SHIFT = 100.0  # mm: a unit of the search
PRIOR = 0.01  # weight beside the share of the image that is wrong
START_SIZES = (-0.05, 0.05)
SURFACE_STEP = 7  # of the surface's voxels, every so many count


@dataclass(frozen=True, eq=False)
class Pose:
    """Where Colin27's brain lies on an image of 1 mm.

    Attributes:
        matrix: (3, 3), from the image's voxels about ``centre`` to the atlas's about its own.
        centre: (3,), the atlas's middle, in the image's voxels.
    """

    matrix: Array
    centre: Array

    def surface(self) -> Array:
        """(n, 3), places of the atlas's surface, in the image's voxels."""
        return np.asarray(_atlas()[1] @ np.linalg.inv(self.matrix).T + self.centre)

    def laid(self, shape: tuple[int, ...], first: Array) -> Image:
        """The atlas, equalised, on a grid of ``shape`` whose first voxel is the image's voxel ``first``."""
        atlas = _atlas()[0]
        offset = self.matrix @ (first - self.centre) + (np.array(atlas.shape) - 1) / 2
        laid = ndimage.affine_transform(atlas, self.matrix, offset, shape, order=1)
        return np.asarray(laid, np.float32)


def fit(image: Image, view: View, sides: str) -> Pose:
    """Lay Colin27 over what is in view.

    Args:
        image: (X, Y, Z) at 1 mm, axes nearest to RAS+, equalised to [0, 1], 0 around the brain and beyond the cuts.
        view: (X, Y, Z), what lies on this side of the cuts; with some ``AROUND`` voxels of room around the brain.
        sides: on which the brain is cut off, of ``LRPAIS``.
    """
    weight = _smooth(_blocks(view.astype(np.float32)))
    brain = ndimage.binary_fill_holes(image > 0).astype(np.float32)
    seen = [
        _smooth(_blocks(channel * view)) / np.maximum(weight, 1e-3) for channel in (brain, image)
    ]
    in_view = _blocks(view.astype(np.float32)) > 0.5
    start = _start(image, sides)
    searches = [
        optimize.minimize(
            _loss,
            start + np.repeat([0, size], [6, 3]),
            (seen, in_view, _coarse_atlas()),
            method="L-BFGS-B",
            options={"maxiter": 60},
        )
        for size in START_SIZES
    ]
    return _pose(min(searches, key=lambda search: float(search.fun)).x)


@cache
def _atlas() -> tuple[Image, Array]:
    """Colin27's brain in its box, 1 mm, equalised; its surface's places from its middle, (n, 3)."""
    head = torch.from_numpy(read_volume(intact(COLIN27_BRAIN)).data[None])
    equalised = np.asarray(ScaleIntensity()(HistogramNormalize()(head)))[0]
    atlas = equalised[box_of(equalised > 0)]
    brain = ndimage.binary_fill_holes(atlas > 0)
    surface = np.argwhere(brain & ~ndimage.binary_erosion(brain))[::SURFACE_STEP]
    return np.asarray(atlas, np.float32), surface - (np.array(atlas.shape) - 1) / 2


@cache
def _coarse_atlas() -> list[Array]:
    """The atlas's brain mask and the atlas, smooth, with room around, padded alike at both ends."""
    atlas = _atlas()[0]
    brain = ndimage.binary_fill_holes(atlas > 0).astype(np.float32)
    odd = [-n % COARSE for n in atlas.shape]
    room = [(AROUND + n // 2, AROUND + n - n // 2) for n in odd]
    return [_smooth(_blocks(np.pad(channel, room))) for channel in (brain, atlas)]


def _blocks(array: Image) -> Array:
    """Means over blocks of ``COARSE`` voxels a side."""
    array = np.pad(array, [(0, -n % COARSE) for n in array.shape], "edge")
    x, y, z = (n // COARSE for n in array.shape)
    blocks = array.reshape(x, COARSE, y, COARSE, z, COARSE).mean(axis=(1, 3, 5))
    return np.asarray(blocks, np.float64)


def _smooth(blocks: Array) -> Array:
    return np.asarray(ndimage.gaussian_filter(blocks, 1.0, mode="nearest"))


def _start(image: Image, sides: str) -> Array:
    """The atlas laid against the sides that are whole: shift of its middle, no turn, a brain's size."""
    box = box_of(image > 0)
    low = np.array([part.start for part in box])
    size = np.array([part.stop - part.start for part in box], np.float64)
    atlas = np.array(_atlas()[0].shape) / SIZE
    ends = [(names[0] in sides, names[1] in sides) for names in ("LR", "PA", "IS")]
    whole = [axis for axis in range(3) if not any(ends[axis])]
    scale = float(np.mean(size[whole] / atlas[whole])) if whole else 1.0
    centre = size / 2
    for axis, (at_start, at_end) in enumerate(ends):
        if at_start != at_end:
            half = scale * atlas[axis] / 2
            centre[axis] = size[axis] - half if at_start else half
    return np.concatenate([(low + centre) / SHIFT, np.zeros(3), np.full(3, -np.log(scale))])


def _pose(numbers: Array) -> Pose:
    turn = Rotation.from_euler("xyz", numbers[3:6] * TURN_SPREAD, degrees=True).as_matrix()
    return Pose(turn * (SIZE * np.exp(numbers[6:9])), numbers[:3] * SHIFT)


def _loss(numbers: Array, seen: list[Array], in_view: View, atlas: list[Array]) -> float:
    """Shares of mask and image in view that the atlas gets wrong, with the priors.

    The image is compared up to a factor: equalised alone, half a brain is as bright as a whole one.
    """
    pose = _pose(numbers)
    first = (COARSE - 1) / 2  # the first block's middle, in the image's voxels
    offset = pose.matrix @ (first - pose.centre) / COARSE + (np.array(atlas[0].shape) - 1) / 2
    mask, image = (
        ndimage.affine_transform(channel, pose.matrix, offset, in_view.shape, order=1)[in_view]
        for channel in atlas
    )
    seen_mask, seen_image = (channel[in_view] for channel in seen)
    factor = float(image @ seen_image) / max(float(image @ image), 1e-9)
    wrong = ((mask - seen_mask) ** 2).sum() / (seen_mask**2).sum()
    wrong += ((factor * image - seen_image) ** 2).sum() / (seen_image**2).sum()
    sizes = numbers[6:9]
    unlike = (sizes.mean() / SIZE_SPREAD) ** 2 + (((sizes - sizes.mean()) / AXIS_SPREAD) ** 2).sum()
    return float(wrong + PRIOR * (unlike + (numbers[3:6] ** 2).sum()))
