"""Colin27 and AAL as the mould of virtual subjects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.colin27 import colin27, colin27_head

WHITE_PERCENTILE = 99.0  # of the brain's intensities
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mould:
    """One grid, three arrays (181, 217, 181), axes RAS+.

    Attributes:
        head: T1-weighted intensities; white matter of the brain is near 1.
        labels: AAL's ids 0 to 116.
        mask: the brain: ``ch2bet`` less its thin fragments, holes filled, and every voxel that AAL labels.
        affine: (4, 4), voxel index to world mm.
    """

    head: NDArray[np.float32]
    labels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    affine: Array

    @property
    def box_mm(self) -> tuple[Array, Array]:
        """World coordinates of the first and the last voxel, (3,) each."""
        return self.affine[:3, 3], self.affine[:3, :3] @ (
            np.asarray(self.head.shape) - 1.0
        ) + self.affine[:3, 3]


@cache
def mould() -> Mould:
    """Read once per process.

    Raises:
        Unavailable: a file of the atlas is missing or damaged.
    """
    atlas, head = colin27(), colin27_head()
    mask = _brain(atlas.brain > 0, atlas.labels > 0)
    bright = np.percentile(head[mask], WHITE_PERCENTILE)
    return Mould(head / bright, atlas.labels, mask, atlas.affine)


def _brain(stripped: NDArray[np.bool_], labelled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    ball = ndimage.generate_binary_structure(3, 1)
    opened = ndimage.binary_opening(stripped, ball, iterations=3)
    pieces, _ = ndimage.label(opened | labelled)
    largest = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    closed = ndimage.binary_closing(np.pad(largest, 4), ball, iterations=3)[4:-4, 4:-4, 4:-4]
    return np.asarray(ndimage.binary_fill_holes(closed | labelled))
