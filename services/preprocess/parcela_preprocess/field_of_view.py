"""Does the field of view end in the brain? Asked of the mask: where it is flat and large, something was cut off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.field_of_view import Cut
from parcela.imaging.geometry import Geometry

# Area in cm² from which on an end of the mask is a cut: so much, and so much more for each mm of a slice. A whole
# brain's outermost slice is a cap; the largest of 200 cohort brains was 17.5 cm², at 2 mm.
AT_BORDER = (15.0, 4.0)
WITHIN = (30.0, 6.0)
SIDES = {"L": "left", "R": "right", "P": "back", "A": "front", "I": "bottom", "S": "top"}
OPPOSITE = dict(zip("LRPAIS", "RLAPSI", strict=True))


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
                plane = _plane(geometry, axis, end, place)
                sides.append(Cut(side=side, area_cm2=float(area_cm2[place]), plane=plane))
    return tuple(sides)


def _plane(
    geometry: Geometry, axis: int, end: int, place: int
) -> tuple[float, float, float, float]:
    """The outer face of a slice, as ``Cut.plane``."""
    index = np.linalg.inv(geometry.affine)[axis]  # of a place in the world along the axis
    sign = 1 if end else -1
    outward = sign * index - sign * np.array([0, 0, 0, place + sign / 2])
    x, y, z, first = (float(v) for v in outward / np.linalg.norm(index[:3]))
    return x, y, z, first


def cut_warning(sides: Sequence[Cut], *, completed: bool) -> tuple[str, ...]:
    """What is to be said of a brain that is cut off, in at most one sentence.

    Args:
        sides: where.
        completed: whether the networks saw something in the missing part's place.
    """
    if not sides:
        return ()
    where = ", ".join(_where(cut) for cut in sides)
    done = (
        "the networks saw Colin27's brain in the missing part's place; doubt this map, most of all at the cut"
        if completed
        else "regions are stretched over what is there: do not trust this map"
    )
    return (f"THE FIELD OF VIEW CUTS THE BRAIN at the {where}: {done}",)


def _where(cut: Cut) -> str:
    missing = "" if cut.missing_mm is None else f", some {cut.missing_mm:.0f} mm missing"
    return f"{SIDES[cut.side]} ({cut.area_cm2:.0f} cm²{missing})"
