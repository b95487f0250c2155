"""Does the field of view end in the brain? Asked of the mask: where it is flat and large, something was cut off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from parcela.imaging.field_of_view import Cut
from parcela.imaging.geometry import Geometry

# Area in cm² from which on an end of the mask is a cut: so much, and so much more for each mm of a slice. A whole
# brain's outermost slice is a cap; the largest of 200 cohort brains was 17.5 cm², at 2 mm.
AT_BORDER = (15.0, 4.0)
WITHIN = (30.0, 6.0)
# The same for a plane askew to the grid: the mean area of the mask in a slab beneath it, so much and so much more
# for each mm of the slab. Of 200 cohort brains the largest was 34 cm², in a slab of 5 mm.
ASKEW = (15.0, 6.0)
SLAB_MM, SLAB_VOXELS = (
    4.0,
    2.5,
)  # a slab's least thickness, and in voxels: such a plane is a staircase
FACET_CM2 = 2.0  # of a brain's convex hull: smaller ones are no cut's face
APART = np.cos(np.radians(10))  # of planes' normals: what is nearer is the same face
THINNED_MM = 2.0  # between the voxels that an area is counted from
SIDES = {"L": "left", "R": "right", "P": "back", "A": "front", "I": "bottom", "S": "top"}
OPPOSITE = dict(zip("LRPAIS", "RLAPSI", strict=True))


def cuts(mask: NDArray[np.uint8], geometry: Geometry) -> tuple[Cut, ...]:
    """The sides on which the brain is cut off, by the grid's border or by a plane within it, straight or askew.

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
    return (*sides, *_askew(mask > 0, geometry, sides))


def _askew(mask: NDArray[np.bool_], geometry: Geometry, straight: Sequence[Cut]) -> list[Cut]:
    """Cuts by planes askew to the grid: a field of view that ended in the brain on another grid than this one.

    Large facets of the brain's convex hull are the candidates; a cut's face lies full against one.
    """
    outline = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    if np.linalg.matrix_rank(outline - outline[0]) < 3:
        return []
    affine = geometry.affine
    places = outline @ affine[:3, :3].T + affine[:3, 3]
    hull = ConvexHull(places)
    one, two, three = np.moveaxis(places[hull.simplices], 1, 0)
    facet_cm2 = np.linalg.norm(np.cross(two - one, three - one), axis=1) / 200
    step = np.maximum(1, np.round(THINNED_MM / np.array(geometry.spacing_mm))).astype(int)
    voxels = np.argwhere(mask[tuple(slice(None, None, n) for n in step)]) * step
    inside = voxels @ affine[:3, :3].T + affine[:3, 3]
    slab_mm = max(SLAB_MM, SLAB_VOXELS * max(geometry.spacing_mm))
    per_voxel_cm2 = geometry.voxel_volume_mm3 * step.prod() / slab_mm / 100
    faces = [np.array(cut.plane[:3]) for cut in straight]
    askew = []
    for facet in np.argsort(-facet_cm2):
        *normal, first = hull.equations[facet]
        if facet_cm2[facet] < FACET_CM2:
            break
        if any(face @ normal > APART for face in faces):
            continue
        area_cm2 = float((inside @ normal + first > -slab_mm).sum() * per_voxel_cm2)
        if area_cm2 >= ASKEW[0] + ASKEW[1] * slab_mm:
            faces.append(np.array(normal))
            first -= min(geometry.spacing_mm) / 2
            x, y, z = (float(v) for v in normal)
            plane = (x, y, z, float(first))
            askew.append(Cut(side=_nearest_side(normal), area_cm2=area_cm2, plane=plane))
    return askew


def _nearest_side(normal: Sequence[float]) -> str:
    """The anatomical side that a direction in the world, (3,), points to."""
    axis = int(np.abs(normal).argmax())
    return "LPI"[axis] if normal[axis] < 0 else "RAS"[axis]


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
