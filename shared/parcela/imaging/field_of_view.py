"""Where the field of view cuts a brain: a plane in the world for each side, and what lies beyond."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.geometry import Affine, Shape
from parcela.record import Record


class Cut(Record):
    """One side on which a brain is cut off.

    Attributes:
        side: anatomical, one of ``LRPAIS``.
        area_cm2: of the mask's outermost slice there.
        plane: (a, b, c, d): a·x + b·y + c·z + d is how far a place in the world, in mm (RAS+), lies beyond the cut.
        missing_mm: how far the brain goes on beyond it, estimated; None: nobody has estimated it.
    """

    side: str
    area_cm2: float
    plane: tuple[float, float, float, float]
    missing_mm: float | None = None


def beyond(cuts: Sequence[Cut], shape: Shape, affine: Affine) -> NDArray[np.bool_]:
    """Which voxels of a grid lie beyond a cut, (X, Y, Z); their middles count.

    Args:
        cuts: any number.
        shape, affine: the grid, voxel index to world mm.
    """
    outside = np.zeros(shape, np.bool_)
    for cut in cuts:
        x, y, z, first = np.asarray(cut.plane) @ affine
        i, j, k = (np.arange(n) for n in shape)
        outside |= x * i[:, None, None] + y * j[:, None] + z * k + first > 0
    return outside
