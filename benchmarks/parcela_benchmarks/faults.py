"""Scans as they turn up in the world, made from sound ones: each fault by itself, the same on every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from parcela.imaging.volume import Volume
from parcela_benchmarks.degrade import Mask, regridded
from parcela_preprocess.field_of_view import OPPOSITE


@dataclass(frozen=True, slots=True, eq=False)
class Faulty:
    """What is given to Parcela in a scan's place.

    Attributes:
        scan: NaN and all.
        mask: (X, Y, Z) uint8, the brain, on the scan's grid; None: it is for Parcela to find.
        preprocess: False: the scan is said to be stripped (``--no-preprocess``).
        view: (X, Y, Z) boolean on the *unspoilt* scan's grid, what the spoilt one still shows; None: all of it.
    """

    scan: Volume
    mask: Mask | None
    preprocess: bool = True
    view: NDArray[np.bool_] | None = None


Fault = Callable[[Volume, Mask], Faulty]


def as_is(scan: Volume, mask: Mask) -> Faulty:
    """The sound scan, whose map the others are compared with."""
    return Faulty(scan, mask)


def to_be_stripped(spoil: Fault) -> Fault:
    """The same without the mask at hand: Parcela strips the skull itself."""
    return lambda scan, mask: replace(spoil(scan, mask), mask=None)


def said_to_be_stripped(spoil: Fault) -> Fault:
    """The same under ``--no-preprocess``, as it is."""
    return lambda scan, mask: replace(spoil(scan, mask), mask=None, preprocess=False)


def stripped(scan: Volume, mask: Mask) -> Faulty:
    """The brain alone, 0 around it."""
    return Faulty(scan.with_data(scan.data * mask), None)


def one_voxel(value: float) -> Fault:
    """One damaged voxel in the brain's middle."""

    def spoil(scan: Volume, mask: Mask) -> Faulty:
        data = scan.data.copy()
        data[tuple(np.argwhere(mask).mean(axis=0).astype(int))] = value
        return Faulty(scan.with_data(data), mask)

    return spoil


def z_scored(around: float) -> Fault:
    """Mean 0 and standard deviation 1 in the brain, another value around it."""

    def spoil(scan: Volume, mask: Mask) -> Faulty:
        brain = scan.data[mask > 0]
        scores = (scan.data - brain.mean()) / brain.std()
        return Faulty(scan.with_data(np.where(mask > 0, scores, around).astype(np.float32)), None)

    return spoil


def surrounded(around: float) -> Fault:
    """The brain alone, another value than 0 around it."""

    def spoil(scan: Volume, mask: Mask) -> Faulty:
        return Faulty(scan.with_data(np.where(mask > 0, scan.data, np.float32(around))), None)

    return spoil


def offset(by: float) -> Fault:
    """A constant added everywhere."""
    return lambda scan, mask: Faulty(scan.with_data(scan.data + np.float32(by)), mask)


def resampled(order: int) -> Fault:
    """The stripped brain shifted by parts of a voxel: cubic splines (3) ring below 0 at its edge, linear (1) do not."""

    def spoil(scan: Volume, mask: Mask) -> Faulty:
        shift = np.array([0.4, 0.3, 0.2])
        data = ndimage.shift(scan.data * mask, shift, order=order)
        affine = scan.geometry.affine.copy()
        affine[:3, 3] -= affine[:3, :3] @ shift
        return Faulty(regridded(scan, data, affine), None)

    return spoil


def stray_voxel(scan: Volume, mask: Mask) -> Faulty:
    """The brain alone, and one bright voxel in a corner."""
    data = scan.data * mask
    data[2, 2, 2] = np.percentile(scan.data[mask > 0], 99)
    return Faulty(scan.with_data(data), None)


def noise_around(scan: Volume, mask: Mask) -> Faulty:
    """The brain alone in noise of up to some percent of bright tissue, as some scanners and denoisers leave it."""
    bright = np.percentile(scan.data[mask > 0], 99)
    noise = np.random.default_rng(0).normal(0, 0.01 * bright, scan.data.shape)
    return Faulty(scan.with_data((scan.data * mask + noise).astype(np.float32)), None)


def one_negative_of_stripped(scan: Volume, mask: Mask) -> Faulty:
    """The brain alone, and one voxel of -20 in it."""
    return one_voxel(-20.0)(stripped(scan, mask).scan, mask)


def cut(side: str, *, share: float = 0.0, mm: float = 0.0) -> Fault:
    """The field of view ends in the brain: this share of its extent, or so many mm, are off on a side (of LRPAIS)."""

    def spoil(scan: Volume, mask: Mask) -> Faulty:
        codes = scan.geometry.axcodes
        axis = next(a for a, code in enumerate(codes) if side in (code, OPPOSITE[code]))
        box = ndimage.find_objects(mask)[0][axis]
        off = mm / scan.geometry.spacing_mm[axis] or share * (box.stop - box.start)
        start, stop = 0, scan.data.shape[axis]
        if codes[axis] == side:
            stop = box.stop - round(off)
        else:
            start = box.start + round(off)
        window = tuple(slice(start, stop) if a == axis else slice(None) for a in range(3))
        affine = scan.geometry.affine.copy()
        affine[:3, 3] += affine[:3, axis] * start
        view = np.zeros(mask.shape, np.bool_)
        view[window] = True
        return Faulty(regridded(scan, scan.data[window], affine), mask[window], view=view)

    return spoil


def cut_obliquely(degrees: float, share: float) -> Fault:
    """A field of view that ended in the brain on a tilted grid, resampled upright: 0 beyond a plane askew to the grid.

    The plane leans forwards by so many degrees, and takes this share of the brain's extent across it off the top.
    """

    def spoil(scan: Volume, mask: Mask) -> Faulty:
        normal = Rotation.from_euler("x", -degrees, degrees=True).apply([0.0, 0.0, 1.0])
        index = np.indices(mask.shape).reshape(3, -1)
        height_mm = (normal @ scan.geometry.affine[:3, :3] @ index).reshape(mask.shape)
        low, high = height_mm[mask > 0].min(), height_mm[mask > 0].max()
        view = height_mm <= high - share * (high - low)
        return Faulty(scan.with_data(scan.data * view), mask * view.astype(np.uint8), view=view)

    return spoil


def tilted(axis: str, degrees: float) -> Fault:
    """The head on a grid turned about a world axis (``x``: nodding, ``y``: leaning), an honest affine with it."""

    def spoil(scan: Volume, mask: Mask) -> Faulty:
        upright = nib.as_closest_canonical(nib.Nifti1Image(scan.data, scan.geometry.affine)).affine
        spacing = np.linalg.norm(upright[:3, :3], axis=0)
        turn = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
        head = np.argwhere(scan.data > 0.1 * np.percentile(scan.data[mask > 0], 99))
        corners = (head @ scan.geometry.affine[:3, :3].T + scan.geometry.affine[:3, 3]) @ turn
        low, high = corners.min(axis=0) - spacing, corners.max(axis=0) + spacing
        affine = np.eye(4)
        affine[:3, :3] = turn * spacing
        affine[:3, 3] = turn @ low
        x, y, z = (int(n) for n in np.ceil((high - low) / spacing) + 1)
        way = np.linalg.inv(scan.geometry.affine) @ affine
        pull = (way[:3, :3], way[:3, 3], (x, y, z))
        data = ndimage.affine_transform(scan.data, *pull, order=3)
        inside = ndimage.affine_transform(mask.astype(np.float32), *pull, order=1) > 0.5
        sound = np.clip(data, scan.data.min(), scan.data.max())
        return Faulty(regridded(scan, sound, affine), inside.astype(np.uint8))

    return spoil


def then(first: Fault, second: Fault) -> Fault:
    """One fault, and another on top of it."""

    def spoil(scan: Volume, mask: Mask) -> Faulty:
        once = first(scan, mask)
        assert once.mask is not None, "the second fault needs the brain's place"
        return replace(second(once.scan, once.mask), view=once.view)

    return spoil


WHOLE, STRIPPED, SAID = "as-is", "as-is, stripped by Parcela", "as-is, said to be stripped"
REFERENCES: dict[str, Fault] = {
    WHOLE: as_is,
    STRIPPED: to_be_stripped(as_is),
    SAID: said_to_be_stripped(stripped),
}
# By fault of the list: what was done, how, and the sound scan that it is compared with.
SITUATIONS: dict[str, tuple[str, Fault, str]] = {
    "one voxel of -20": ("A", one_voxel(-20.0), WHOLE),
    "one voxel of 1e6": ("A", one_voxel(1e6), WHOLE),
    "z-scored, 0 around": ("A", z_scored(0.0), WHOLE),
    "z-scored, NaN around": ("A", z_scored(np.nan), WHOLE),
    "NaN around": ("A", surrounded(np.nan), WHOLE),
    "-1024 around": ("A", surrounded(-1024.0), WHOLE),
    "offset of -1000": ("A", offset(-1000.0), WHOLE),
    "spline-resampled brain": ("A", resampled(3), WHOLE),
    "linearly resampled brain": ("A, control", resampled(1), WHOLE),
    "lower half cut off": ("B", cut("I", share=0.5), WHOLE),
    "right half cut off": ("B", cut("R", share=0.5), WHOLE),
    "upper third cut off": ("B", cut("S", share=1 / 3), WHOLE),
    "top 20 mm cut off": ("B", cut("S", mm=20.0), WHOLE),
    "front third cut off": ("B", cut("A", share=1 / 3), WHOLE),
    "top quarter cut off askew": ("B", cut_obliquely(30.0, 0.25), WHOLE),
    "stripped said, a whole head": ("C", said_to_be_stripped(as_is), SAID),
    "stripped said, a stray voxel": ("C", said_to_be_stripped(stray_voxel), SAID),
    "stripped said, a voxel of -20": ("C", said_to_be_stripped(one_negative_of_stripped), SAID),
    "stripped said, noise around": ("C", said_to_be_stripped(noise_around), SAID),
    "tilted by 8° about x": ("D", tilted("x", 8.0), WHOLE),
    "tilted by 15° about x": ("D", tilted("x", 15.0), WHOLE),
    "tilted by 30° about x": ("D", tilted("x", 30.0), WHOLE),
    "tilted by 15° about y": ("D", tilted("y", 15.0), WHOLE),
    "tilted by 30° about y": ("D", tilted("y", 30.0), WHOLE),
    "tilted by 30°, top 20 mm cut off": (
        "B, D",
        then(tilted("x", 30.0), cut("S", mm=20.0)),
        WHOLE,
    ),
    "one voxel of -20, whole head": ("A", to_be_stripped(one_voxel(-20.0)), STRIPPED),
    "offset of -1024, whole head": ("A", to_be_stripped(offset(-1024.0)), STRIPPED),
    "one voxel of 1e6, whole head": ("A", to_be_stripped(one_voxel(1e6)), STRIPPED),
    "top quarter cut off askew, whole head": (
        "B",
        to_be_stripped(cut_obliquely(30.0, 0.25)),
        STRIPPED,
    ),
    "tilted by 30° about x, whole head": ("D", to_be_stripped(tilted("x", 30.0)), STRIPPED),
}
WHOLE_HEADS_ONLY = {name for name in SITUATIONS if "whole head" in name} | {STRIPPED}
