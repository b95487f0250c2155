"""A scan that is said to be stripped: its brain, what is beside it, and whether it is one at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.errors import BadScan
from parcela_preprocess.brain import (
    BRAIN_ML,
    STRIPPED_EXTENT_MM,
    extent_mm,
    foreground_of,
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


def main_parts(foreground: Mask) -> Mask:
    """The largest connected part, and those of at least a tenth of its size: hemispheres may lie apart."""
    parts, _ = ndimage.label(foreground)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= PART * sizes.max())[parts] & foreground, np.bool_)


def _within_box(foreground: Mask, mask: Mask) -> Mask:
    """The foreground inside a mask's bounding box: crumbs there do not move the box, and are kept."""
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    inside = np.zeros_like(mask)
    inside[box] = foreground[box]
    return inside


def _apart_from_border(scan: Image) -> Mask:
    faces = [scan[end] for end in (0, -1)] + [scan[:, end] for end in (0, -1)]
    faces += [scan[:, :, end] for end in (0, -1)]
    background = float(np.median(np.concatenate([face.ravel() for face in faces])))
    distance = np.abs(scan - np.float32(background))
    return np.asarray(distance > NEAR * np.percentile(distance, 99), np.bool_)


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
