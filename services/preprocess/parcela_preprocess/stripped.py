"""A scan that is stripped, or said to be: its brain, what is beside it, and whether it is one at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.errors import BadScan
from parcela.imaging.geometry import box_of
from parcela_preprocess.brain import (
    BRAIN_ML,
    STRIPPED_EXTENT_MM,
    extent_mm,
    foreground_of,
    largest_part,
    millilitres,
)
from parcela_preprocess.intensities import in_brain, without_spikes

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
Notes = tuple[str, ...]

LEAST_ML = 20.0  # of what may be a part of a brain
FULLEST = 0.95  # share of the grid: beyond, there is no background around a brain
NEAR = 0.05  # of the bright tissue: what lies so near to the background may be its noise or an edge's ringing
PART = 0.1  # of the largest part: a smaller one is a crumb
DEEP_MM = 10.0  # within the outline: so far in, no edge rings
RINGING = (
    0.2,
    1e-3,
)  # shares of voxels below 0: at least, beside a ringing brain; at most, deep in it
SWING = 0.01  # of the bright tissue: a background that swings about 0 has a median within it
REMEDY = "leave --no-preprocess (preprocessing=false) out, or strip the skull first"


def stripped_brain(scan: Image, spacing_mm: Spacing) -> tuple[Image, Mask, Notes]:
    """The brain of a scan that is said to be stripped.

    The background is what has its corners' value; where that leaves no brain, what lies near to its border's value.
    Crumbs away from the brain are left out. An ordinary stripped scan's values are kept as they are.

    Args:
        scan: (X, Y, Z) intensities.
        spacing_mm: voxel size per axis.

    Returns:
        intensities, at 0 and above; the brain mask, (X, Y, Z); what is to be said, one sentence each.

    Raises:
        BadScan: it is a whole head, or has no background, or hardly anything else.
    """
    scan, notes = without_spikes(scan)
    scan, ringing = without_ringing(scan, spacing_mm)
    notes += ringing
    foreground = foreground_of(scan)
    exact = _like_a_brain(foreground, spacing_mm)
    if not exact:
        foreground = ndimage.binary_fill_holes(_apart_from_border(scan))
        if not _like_a_brain(foreground, spacing_mm):
            raise BadScan(_refusal(foreground, spacing_mm))
        notes += ("the background is not of one value: what lies near to it was taken for it",)
    mask = main_parts(foreground)
    if exact:
        mask = _within_box(foreground, mask)
    crumbs = int(foreground.sum() - mask.sum())
    if crumbs:
        notes += (f"{crumbs} voxels apart from the brain were left out",)
    volume_ml = millilitres(mask, spacing_mm)
    if volume_ml < BRAIN_ML[0]:
        notes += (f"A BRAIN OF {volume_ml:.0f} ml IS IMPLAUSIBLY SMALL: look at the scan",)
    brain, of_brain = in_brain(scan, mask)
    background = scan[~mask & ~foreground]
    untouched = exact and not of_brain and not crumbs and (background >= 0).all()
    if untouched and background.max(initial=0) <= scan[mask].min():
        return scan, mask, notes
    return brain, mask, (*notes, *of_brain)


def without_ringing(scan: Image, spacing_mm: Spacing) -> tuple[Image, Notes]:
    """A stripped scan whose background swings about 0, with 0 there; any other comes back as it is.

    A stripped brain that was resampled by splines or a windowed sinc rings at its edge: up to a third of the bright
    tissue below 0 beside it, and less and less above and below 0 all over the grid. So no voxel tells the background,
    the skull would be looked for in it, and the ringing would be taken for an offset of the brain. Noise of both signs
    around a brain is the same kind.

    Args:
        scan: (X, Y, Z) intensities.
        spacing_mm: voxel size per axis.
    """
    if scan.min() >= 0 or scan.max() <= 0:
        return scan, ()
    bright = float(np.percentile(scan[scan > 0], 99))
    if abs(_border_value(scan)) > SWING * bright or -scan.min() > bright:
        return scan, ()
    brain = ndimage.binary_fill_holes(largest_part(scan > NEAR * bright))
    if not _like_a_brain(brain, spacing_mm):
        return scan, ()
    depth = max(1, round(DEEP_MM / min(spacing_mm)))
    below = scan < 0
    beside = ndimage.binary_dilation(brain, iterations=2) & ~brain
    deep = ndimage.binary_erosion(brain, iterations=depth)
    if below[beside].mean() < RINGING[0] or below[deep].sum() > RINGING[1] * deep.sum():
        return scan, ()
    note = "the background swings about 0, as resampling by splines leaves it: it was read as 0"
    if count := int((below & brain).sum()):
        note += f", and so were {count} voxels of the brain below 0"
    return np.where(brain, np.maximum(scan, 0), np.float32(0)), (note,)


def main_parts(foreground: Mask) -> Mask:
    """The largest connected part, and those of at least a tenth of its size: hemispheres may lie apart."""
    parts, _ = ndimage.label(foreground)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= PART * sizes.max())[parts] & foreground, np.bool_)


def _within_box(foreground: Mask, mask: Mask) -> Mask:
    """The foreground inside a mask's bounding box: crumbs there do not move the box, and are kept."""
    box = box_of(mask)
    inside = np.zeros_like(mask)
    inside[box] = foreground[box]
    return inside


def _apart_from_border(scan: Image) -> Mask:
    distance = np.abs(scan - np.float32(_border_value(scan)))
    return np.asarray(distance > NEAR * np.percentile(distance, 99), np.bool_)


def _border_value(scan: Image) -> float:
    """The median of the grid's six faces."""
    faces = [scan[end] for end in (0, -1)] + [scan[:, end] for end in (0, -1)]
    faces += [scan[:, :, end] for end in (0, -1)]
    return float(np.median(np.concatenate([face.ravel() for face in faces])))


def _like_a_brain(foreground: Mask, spacing_mm: Spacing) -> bool:
    mask = main_parts(foreground)
    if not LEAST_ML <= millilitres(mask, spacing_mm) <= BRAIN_ML[1] or mask.mean() > FULLEST:
        return False
    return max(extent_mm(mask, spacing_mm)) <= STRIPPED_EXTENT_MM


def _refusal(foreground: Mask, spacing_mm: Spacing) -> str:
    mask = main_parts(foreground)
    what = "nothing but background"
    if mask.any():
        longest = max(extent_mm(mask, spacing_mm))
        what = f"{millilitres(mask, spacing_mm):.0f} ml, {longest:.0f} mm long"
    return f"this is no skull-stripped brain (what is not background: {what}, {mask.mean():.0%} of the grid): {REMEDY}"
