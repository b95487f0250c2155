"""Does the field of view end in the brain? Asked of the mask: where it is flat and large, something was cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.geometry import Geometry

# Area in cm² from which on an end of the mask is a cut: so much, and so much more for each mm of a slice. A whole
# brain's outermost slice is a cap; the largest of 200 cohort brains was 17.5 cm², at 2 mm.
AT_BORDER = (15.0, 4.0)
WITHIN = (30.0, 6.0)
SIDES = {"L": "left", "R": "right", "P": "back", "A": "front", "I": "bottom", "S": "top"}
OPPOSITE = dict(zip("LRPAIS", "RLAPSI", strict=True))


@dataclass(frozen=True)
class Cut:
    """One side on which a brain is cut off.

    Attributes:
        side: anatomical, one of ``LRPAIS``.
        axis, end: of the array, 0 for its beginning and 1 for its end.
        area_cm2: of the mask's outermost slice there.
    """

    side: str
    axis: int
    end: int
    area_cm2: float


def cuts(mask: NDArray[np.uint8], geometry: Geometry) -> tuple[Cut, ...]:
    """The sides on which the brain is cut off, by the grid's border or by a plane within it.

    Args:
        mask: (X, Y, Z), the brain, on the grid of ``geometry``.
    """
    if not mask.any():
        return ()
    sides = []
    for axis, code in enumerate(geometry.axcodes):
        thickness_mm = geometry.spacing_mm[axis]
        others = tuple(a for a in range(3) if a != axis)
        area_cm2 = (mask > 0).sum(axis=others) * geometry.voxel_volume_mm3 / thickness_mm / 100
        occupied = np.flatnonzero(area_cm2)
        for end, place in ((0, int(occupied[0])), (1, int(occupied[-1]))):
            at_border = place in (0, mask.shape[axis] - 1)
            least, per_mm = AT_BORDER if at_border else WITHIN
            if area_cm2[place] >= least + per_mm * thickness_mm:
                side = code if end else OPPOSITE[code]
                sides.append(Cut(side, axis, end, float(area_cm2[place])))
    return tuple(sides)


def cut_warning(sides: tuple[Cut, ...], *, completed: bool) -> tuple[str, ...]:
    """What is to be said of a brain that is cut off, in at most one sentence.

    Args:
        sides: where.
        completed: whether the missing part was made room for.
    """
    if not sides:
        return ()
    where = ", ".join(f"{SIDES[cut.side]} ({cut.area_cm2:.0f} cm²)" for cut in sides)
    done = (
        "room was made for what is missing, by the atlas's extent; doubt this map, most of all at the cut"
        if completed
        else "regions are stretched over what is there: do not trust this map"
    )
    return (f"THE FIELD OF VIEW CUTS THE BRAIN at the {where}: {done}",)
