"""How far a brain reaches beyond a field of view that cuts it: Colin27's mask fitted to what is in view.

The overlap of two smooth masks, coarse and inside the field of view alone, is maximised over nine numbers (shift, turn,
size); priors hold the size near a brain's and the turn near none, where half a brain says little about them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from parcela.atlas.aal import COLIN27_BRAIN, intact
from parcela.imaging.volume import read_volume
from parcela_preprocess.field_of_view import Cut

Array = NDArray[np.float64]
Missing = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

COARSE_MM = 8.0
# Colin27's extents over those of ROBEX's masks, along x, y and z: means of the cohort's whole heads. The spreads are of
# natural logarithms, of the whole size and of each axis beside it.
SIZE = np.array([1.06, 1.035, 1.15])
SIZE_SPREAD, AXIS_SPREAD = 0.04, 0.035
TURN_SPREAD = 8.0  # degrees
SHIFT = 100.0  # mm: a unit of the search
PRIOR = 0.01  # weight beside the share of overlap that is wrong
FARTHEST_MM = 120.0
AROUND = 3  # coarse voxels without brain beside a side that is whole


def missing_mm(mask: NDArray[np.uint8], spacing_mm: Array, cut: tuple[Cut, ...]) -> Missing:
    """How much of the brain is missing before and behind the mask's box, along each axis, in mm; 0 where it is whole.

    Args:
        mask: (X, Y, Z) of 0 and 1, axes nearest to RAS+.
        spacing_mm: voxel size per axis.
        cut: where it is cut off (``axis`` and ``end`` count).
    """
    ends = {(side.axis, side.end) for side in cut}
    view, size_mm = _coarse(mask, spacing_mm, ends)
    atlas, points_mm = _atlas()
    start = _start(size_mm, points_mm, ends)
    fits = [
        optimize.minimize(
            _loss, start + np.repeat([0, size], [6, 3]), (view, atlas), method="L-BFGS-B"
        )
        for size in (-0.05, 0.05)
    ]
    best = min(fits, key=lambda fit: float(fit.fun)).x
    matrix, centre_mm = _pose(best)
    reach_mm = points_mm @ np.linalg.inv(matrix).T + centre_mm
    before, behind = -reach_mm.min(axis=0), reach_mm.max(axis=0) - size_mm
    x, y, z = (
        tuple(
            float(np.clip(over[axis], 0, FARTHEST_MM)) if (axis, end) in ends else 0.0
            for end, over in ((0, before), (1, behind))
        )
        for axis in range(3)
    )
    return (x[0], x[1]), (y[0], y[1]), (z[0], z[1])


def _coarse(
    mask: NDArray[np.uint8], spacing_mm: Array, ends: set[tuple[int, int]]
) -> tuple[tuple[Array, Array], Array]:
    """The mask's box on a coarse grid, smooth, with room beside whole sides; its first voxel's place; the box's size.

    Places are in mm from the box's lower corner.
    """
    box = ndimage.find_objects((mask > 0).astype(np.uint8))[0]
    size_mm = np.array([part.stop - part.start for part in box]) * spacing_mm
    zoom = np.maximum(1, np.rint(COARSE_MM / spacing_mm)).astype(int)
    inside = (mask[box] > 0).astype(np.float32)
    room = [
        [0 if (axis, end) in ends else AROUND * int(zoom[axis]) for end in (0, 1)]
        for axis in range(3)
    ]
    inside = np.pad(inside, room)
    inside = np.pad(
        inside, [(0, -n % int(k)) for n, k in zip(inside.shape, zoom, strict=True)], "edge"
    )
    x, y, z = (n // int(k) for n, k in zip(inside.shape, zoom, strict=True))
    blocks = inside.reshape(x, int(zoom[0]), y, int(zoom[1]), z, int(zoom[2])).mean(axis=(1, 3, 5))
    step_mm = zoom * spacing_mm
    first_mm = -np.array([before for before, _ in room]) * spacing_mm + step_mm / 2
    places = np.stack([first_mm, step_mm])
    return (ndimage.gaussian_filter(blocks.astype(np.float64), 1, mode="nearest"), places), size_mm


@cache
def _atlas() -> tuple[Array, Array]:
    """Colin27's brain on the coarse grid, smooth, with room around; the places of its surface in mm from its centre."""
    brain = ndimage.binary_fill_holes(read_volume(intact(COLIN27_BRAIN)).data > 0)
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    inside = brain[box]
    surface = np.argwhere(inside & ~ndimage.binary_erosion(inside))[::7]
    step = int(COARSE_MM)
    inside = np.pad(inside, [(3 * step, 3 * step + -n % step) for n in inside.shape])
    x, y, z = (n // step for n in inside.shape)
    blocks = inside.reshape(x, step, y, step, z, step).mean(axis=(1, 3, 5))
    centre = (np.array(brain[box].shape) - 1) / 2
    return ndimage.gaussian_filter(blocks, 1.0), surface - centre


def _start(size_mm: Array, points_mm: Array, ends: set[tuple[int, int]]) -> Array:
    """The atlas laid against the sides that are whole: shift of its centre, no turn, a brain's size."""
    atlas_mm = np.ptp(points_mm, axis=0) / SIZE
    whole = [axis for axis in range(3) if not {(axis, 0), (axis, 1)} & ends]
    scale = float(np.mean(size_mm[whole] / atlas_mm[whole])) if whole else 1.0
    centre = size_mm / 2
    for axis in range(3):
        at_start, at_end = ((axis, end) in ends for end in (0, 1))
        if at_start != at_end:
            half = scale * atlas_mm[axis] / 2
            centre[axis] = size_mm[axis] - half if at_start else half
    return np.concatenate([centre / SHIFT, np.zeros(3), np.full(3, -np.log(scale))])


def _pose(numbers: Array) -> tuple[Array, Array]:
    """(3, 3) from the scan's mm about ``centre`` to the atlas's about its own, and that centre in mm."""
    turn = Rotation.from_euler("xyz", numbers[3:6] * TURN_SPREAD, degrees=True).as_matrix()
    return turn * (SIZE * np.exp(numbers[6:9])), numbers[:3] * SHIFT


def _loss(numbers: Array, view: tuple[Array, Array], atlas: Array) -> float:
    """Share of the view's brain that the atlas gets wrong, with the priors."""
    seen, (first_mm, step_mm) = view
    matrix, centre_mm = _pose(numbers)
    middle = (np.array(atlas.shape) - 1) / 2
    offset = matrix @ (first_mm - centre_mm) / COARSE_MM + middle
    laid = ndimage.affine_transform(
        atlas, matrix * step_mm / COARSE_MM, offset, seen.shape, order=1
    )
    wrong = float(((laid - seen) ** 2).sum() / (seen**2).sum())
    sizes = numbers[6:9]
    unlike = (sizes.mean() / SIZE_SPREAD) ** 2 + (((sizes - sizes.mean()) / AXIS_SPREAD) ** 2).sum()
    return wrong + PRIOR * float(unlike + (numbers[3:6] ** 2).sum())
