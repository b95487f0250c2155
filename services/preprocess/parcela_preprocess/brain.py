"""Is this mask a brain, and was this scan stripped before it came?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.errors import StepFailed
from parcela.imaging.geometry import box_of

BRAIN_ML = (
    600.0,
    2300.0,
)  # adult intracranial volumes are 1000–1900 ml; head scans of small brains still pass
STRIPPED_BACKGROUND = 0.4  # least share of voxels at the background value
STRIPPED_EXTENT_MM = 210.0  # a brain fits in this; a head with its neck and nose does not
AGREEING_CORNERS = 6  # of 8; a stray voxel may lie in one
LONGEST_HEAD_MM = 320.0  # with its neck; a grid that is longer has empty margins
HEAD_BORDER_MM = 15.0  # left around a head that was cut out
AIR = 0.1  # of the brightest percentile: below it is air with its noise
MAIN_PART = 0.9  # least share of a brain mask that its largest connected part must hold


def brain_of_stripped(
    image: NDArray[np.float32], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_] | None:
    """The brain mask of a scan that is already skull-stripped, or None when it is a whole head.

    A stripped scan has a background of one value, and what is left is one part, of a brain's volume and size.

    Args:
        image: (X, Y, Z) intensities.
        spacing_mm: voxel size per axis.
    """
    foreground = foreground_of(image)
    if foreground.mean() > 1 - STRIPPED_BACKGROUND:
        return None
    mask = largest_part(foreground)
    if mask.sum() < MAIN_PART * foreground.sum():
        return None
    mask = ndimage.binary_fill_holes(mask).astype(np.uint8)
    volume = millilitres(mask, spacing_mm)
    if (
        BRAIN_ML[0] <= volume <= BRAIN_ML[1]
        and max(extent_mm(mask, spacing_mm)) <= STRIPPED_EXTENT_MM
    ):
        return np.asarray(mask, np.bool_)
    return None


def check_brain(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float], method: str
) -> None:
    """Refuse a mask that no brain has.

    Args:
        mask: (X, Y, Z). spacing_mm: voxel size per axis. method: what made it, for the message.

    Raises:
        StepFailed: its volume is outside 600–2300 ml, or it falls into pieces.
    """
    other = "deepbet" if method == "ROBEX" else "robex"
    remedy = f"look at the scan; try --skull-strip {other}, or strip it yourself and give --no-preprocess"
    volume = millilitres(mask, spacing_mm)
    if not BRAIN_ML[0] <= volume <= BRAIN_ML[1]:
        raise StepFailed(
            f"{method} found a brain of {volume:.0f} ml, which is implausible: {remedy}"
        )
    share = largest_part(mask).sum() / mask.sum()
    if share < MAIN_PART:
        raise StepFailed(
            f"{method}'s brain mask falls into pieces (the largest holds {share:.0%}): {remedy}"
        )


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part (faces touching) of a mask, (X, Y, Z)."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax(), np.bool_)


def foreground_of(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """What has another value than the corners where most of them agree, else what is above the lowest; (X, Y, Z)."""
    corners = image[:: image.shape[0] - 1, :: image.shape[1] - 1, :: image.shape[2] - 1]
    values, counts = np.unique(corners, return_counts=True)
    if counts.max() >= AGREEING_CORNERS:
        return np.asarray(image != values[counts.argmax()], np.bool_)
    return np.asarray(image > image.min(), np.bool_)


def head_box(
    image: NDArray[np.float32], spacing_mm: tuple[float, float, float]
) -> tuple[slice, slice, slice]:
    """Where a head lies in a grid much larger than one: the box of its bright part, with a border.

    Along an axis no longer than ``LONGEST_HEAD_MM`` it is the whole grid.

    Args:
        image: (X, Y, Z) intensities, air at or near 0.
        spacing_mm: voxel size per axis.
    """
    whole = tuple(slice(0, n) for n in image.shape)
    sides_mm = np.multiply(image.shape, spacing_mm)
    if sides_mm.max() <= LONGEST_HEAD_MM:
        return whole[0], whole[1], whole[2]
    bright = largest_part(image > AIR * np.percentile(image[image > 0], 99))
    x, y, z = (
        _widened(part, round(HEAD_BORDER_MM / step), n) if side > LONGEST_HEAD_MM else slice(0, n)
        for part, step, n, side in zip(
            box_of(bright),
            *(spacing_mm, image.shape, sides_mm),
            strict=True,
        )
    )
    return x, y, z


def _widened(part: slice, border: int, size: int) -> slice:
    return slice(max(0, part.start - border), min(size, part.stop + border))


def extent_mm(mask: NDArray[Any], spacing_mm: tuple[float, float, float]) -> list[float]:
    """The sides of the box around a mask, (X, Y, Z), along its axes; the mask is not empty."""
    sides = zip(box_of(mask > 0), spacing_mm, strict=True)
    return [(part.stop - part.start) * step for part, step in sides]


def millilitres(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """The volume of a mask, (X, Y, Z)."""
    return float(mask.sum() * np.prod(spacing_mm) / 1000)
