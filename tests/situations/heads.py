"""Situations A to E and the odd headers: scans that are given to the command as they turn up in the world."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nifti_files import image, nifti, write
from situations.situation import Affine, Build, Image, brain, changed, head, save, scan

MIDDLE = (30, 36, 30)  # inside the brain


# ---------------------------------------------------------------------------------------- A: intensities


def with_voxel(value: float) -> Callable[[Image], Image]:
    def change(data: Image) -> Image:
        data = data.copy()
        data[MIDDLE] = value
        return data

    return change


def outside(value: float, scale: float = 1, offset: float = 0) -> Callable[[Image], Image]:
    """The brain scaled and shifted, with this value around it."""
    return lambda data: np.where(data > 0, data * scale + offset, value).astype(np.float32)


def z_scored(data: Image) -> Image:
    inside = data[data > 0]
    return outside(0, 1 / float(inside.std()), -float(inside.mean() / inside.std()))(data)


OFFSET = "the brain's intensities begin at 1.002e+04: that was taken off"
SPIKE = "1 voxel lies far outside the range of the rest (up to 1e+06): cut to that range"


def below(count: int, remedy: str) -> str:
    return f"the brain holds {count} voxels below 0: {remedy}"


scan(
    "A", "one voxel of −20 in the brain", changed(with_voxel(-20)), below(1, "they were read as 0")
)
scan("A", "z-scored, 0 around", changed(z_scored), below(31887, "3.54 was added to all"))
scan(
    "A",
    "all lowered by 1000, −1000 around",
    changed(outside(-1000, 5, -1000)),
    below(64411, "885 was added to all"),
)
scan("A", "raised by 10,000, 0 around", changed(outside(0, 1, 1e4)), OFFSET)
scan(
    *("A", "ringing of a spline below 0"),
    changed(lambda data: ndimage.shift(data, (0.4, 0.3, 0.2), order=3)),
    "the background swings about 0, as resampling by splines leaves it: it was read as 0",
)
scan("A", "a spike of 10⁶", changed(with_voxel(1e6)), SPIKE)
scan(
    "A",
    "NaN around the brain",
    changed(outside(np.nan)),
    "290220 voxels are NaN or infinite and were read as 0",
)
scan(
    "A",
    "one voxel infinite",
    changed(with_voxel(np.inf)),
    "1 voxels are NaN or infinite and were read as 0",
)
scan("A", "−1024 around the brain", changed(outside(-1024)), "")
scan(
    "A",
    "in units of 10⁻³⁰",
    changed(outside(0, 1e-32)),
    "intensities of about 1.2e-30 were multiplied by 8.4e+32",
)


# ---------------------------------------------------------------------------------------- B: fields of view


def cut(axis: int, first: float, last: float) -> Build:
    """The brain from one share of its own extent along an axis to another."""

    def build(path: Path) -> None:
        data, affine = brain()
        hit = np.flatnonzero((data > 0).any(tuple(a for a in range(3) if a != axis)))
        low, high = (int(hit[0] + share * (hit[-1] + 1 - hit[0])) for share in (first, last))
        part = [slice(None)] * 3
        part[axis] = slice(low if first else 0, high if last < 1 else None)
        affine[:3, 3] += affine[:3, axis] * (part[axis].start or 0)
        save(path, data[tuple(part)], affine)

    return build


def askew(path: Path) -> None:
    """The brain below a plane that leans forwards by 30°, on the grid that it had."""
    data, affine = brain()
    index = np.indices(data.shape)
    height = np.cos(np.pi / 6) * index[2] + np.sin(np.pi / 6) * index[1]
    inside = height[data > 0]
    save(path, data * (height <= inside.min() + 0.75 * np.ptp(inside)), affine)


# How many mm are missing is not quoted: these tests resample to 3 mm, and the estimate is of images of 1 mm.
CUT = "THE FIELD OF VIEW CUTS THE BRAIN at the "
scan("B", "the upper half of a brain", cut(2, 0.5, 1), f"{CUT}bottom (191 cm²")
scan("B", "the lower three quarters", cut(2, 0, 0.75), f"{CUT}top (140 cm²")
scan("B", "the left two thirds", cut(0, 0, 0.66), f"{CUT}right (170 cm²")
scan("B", "the front cut off", cut(1, 0, 0.8), f"{CUT}front (74 cm²")
scan("B", "the back cut off", cut(1, 0.2, 1), f"{CUT}back (121 cm²")
scan("B", "the top cut off by a plane askew to the grid", askew, f"{CUT}top (166 cm²")
scan("B", "a whole brain", cut(2, 0, 1), "")


# ---------------------------------------------------------------------------------------- C: no stripped brain


def of_head(change: Callable[[Image], Image] = lambda data: data) -> Build:
    def build(path: Path) -> None:
        data, affine = head()
        save(path, change(data), affine)

    return build


def noise(data: Image) -> Image:
    return np.random.default_rng(0).normal(100, 10, data.shape).astype(np.float32)


def corner_voxel(data: Image) -> Image:
    data = data.copy()
    data[0, 0, 0] = 90
    return data


def half_as_large(path: Path) -> None:
    data, affine = brain()
    affine[:3, :3] /= 2
    save(path, data, affine)


NO_BRAIN = "this is no skull-stripped brain"
scan("C", "a whole head", of_head(), NO_BRAIN, code=2)
scan("C", "a whole head, one voxel of −20", of_head(with_voxel(-20)), NO_BRAIN, code=2)
scan("C", "noise", of_head(noise), NO_BRAIN, code=2)
scan(
    "C",
    "one bright voxel in a corner",
    changed(corner_voxel),
    "1 voxels apart from the brain were left out",
)
scan(
    "C",
    "a brain half as large",
    half_as_large,
    "A BRAIN OF 217 ml IS IMPLAUSIBLY SMALL: look at the scan",
)


# ---------------------------------------------------------------------------------------- D: tilted grids


def tilted(axis: int, degrees: float) -> Build:
    """The brain on a grid that is turned about an axis of the world, with an honest affine."""

    def build(path: Path) -> None:
        data, affine = brain()
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(np.deg2rad(degrees))
        turn[i, j] = -np.sin(np.deg2rad(degrees))
        turn[j, i] = -turn[i, j]
        shape = (82, 88, 82)
        grid = np.eye(4)
        grid[:3, :3] = turn * 3
        centre = affine[:3, :3] @ ((np.array(data.shape) - 1) / 2) + affine[:3, 3]
        grid[:3, 3] = centre - grid[:3, :3] @ ((np.array(shape) - 1) / 2)
        way = np.linalg.inv(affine) @ grid
        turned = ndimage.affine_transform(data, way[:3, :3], way[:3, 3], shape, order=1)
        save(path, np.where(turned < 1, 0, turned).astype(np.float32), grid)

    return build


UPRIGHT = "° against the world's axes: the networks saw it turned upright"
scan("D", "tilted by 15° about x", tilted(0, 15), f"the grid is tilted by 15{UPRIGHT}")
scan("D", "tilted by 30° about y", tilted(1, 30), f"the grid is tilted by 30{UPRIGHT}")
scan("D", "tilted by −30° about z", tilted(2, -30), f"the grid is tilted by 30{UPRIGHT}")
scan("D", "tilted by 8° about x", tilted(0, 8), "QUALITY LOOK: regions lie outside the brain mask")


# ---------------------------------------------------------------------------------------- E: left and right


def with_qform(turn: NDArray[np.float64], *, sform: int = 1, qform: int = 1) -> Build:
    """The brain whose qform is the sform turned by a matrix, (4, 4)."""

    def build(path: Path) -> None:
        data, affine = brain()
        nifti_image = nib.Nifti1Image(data, affine)
        nifti_image.set_qform(turn @ affine, qform)
        nifti_image.set_sform(affine, sform)
        nib.save(nifti_image, path)

    return build


SHIFT: Affine = np.eye(4)
SHIFT[0, 3] = 30
QUARTER: Affine = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
CONTRADICT = "SFORM AND QFORM CONTRADICT EACH OTHER about the axes: LEFT AND RIGHT ARE IN DOUBT"
scan("E", "the qform mirrored", with_qform(np.diag([-1.0, 1, 1, 1])), CONTRADICT)
scan("E", "the qform turned by a quarter", with_qform(QUARTER), CONTRADICT)
scan("E", "the qform upside down", with_qform(np.diag([1.0, -1, -1, 1])), CONTRADICT)
scan("E", "the qform 30 mm beside", with_qform(SHIFT), "")
scan(
    *("E", "neither sform nor qform", with_qform(np.eye(4), sform=0, qform=0)),
    "LEFT AND RIGHT ARE UNKNOWN",
)


# ---------------------------------------------------------------------------------------- N: strict without need


def with_fields(**fields: Any) -> Build:
    """The brain with header fields overwritten; a tuple sets one element of an array field."""

    def build(path: Path) -> None:
        data, affine = brain()
        content = nifti(data, affine=affine, pixdim=(slice(1, 4), 3.0))
        header = nib.Nifti1Header(content[:348], check=False)
        header.set_qform(affine, 1)
        for name, value in fields.items():
            if isinstance(value, tuple):
                header[name][value[0]] = value[1]
            else:
                header[name] = value
        write(path, bytes(header.binaryblock) + content[348:])

    return build


def in_unit(code: int, mm: float) -> Build:
    """The brain with its header in another unit of length."""

    def build(path: Path) -> None:
        data, affine = brain()
        affine[:3] /= mm
        spacing = (slice(1, 4), 3.0 / mm)
        write(path, nifti(data, affine=affine, xyzt_units=code, pixdim=spacing))

    return build


VOID = "the header's sform tells of no place (its axes are 0 or no axes): the qform is used"
ZERO = dict.fromkeys(("srow_x", "srow_y", "srow_z"), 0.0)
DISAGREE = "the header's pixdim and its affine disagree on the voxel size; the affine is used"
scan("N", "an sform of 0 beside a good qform", with_fields(**ZERO), VOID)
scan("N", "an sform of NaN beside a good qform", with_fields(srow_x=np.nan), VOID)
scan("N", "a voxel size of 0 beside a good sform", with_fields(pixdim=(2, 0.0)), DISAGREE)
scan("N", "a voxel size of −3 beside a good sform", with_fields(pixdim=(1, -3.0)), DISAGREE)
scan("N", "a header in metres", in_unit(1, 1000), "its unit is the m: voxels are read as 3×3×3 mm")
scan("N", "a header in µm", in_unit(3, 0.001), "its unit is the µm: voxels are read as 3×3×3 mm")
scan(
    "N",
    "a voxel size of 0 and no sform",
    with_fields(pixdim=(2, 0.0), sform_code=0),
    "voxel sizes of",
    code=2,
)


# ---------------------------------------------------------------------------------------- what held


def as_bytes(content: bytes, name: str = "SCAN.nii") -> dict[str, Any]:
    def build(path: Path) -> None:
        path.write_bytes(content)

    return {"build": build, "name": name, "code": 2}


def stored_as(dtype: str, **options: Any) -> Build:
    def build(path: Path) -> None:
        data, affine = brain()
        write(path, nifti(data.astype(dtype), affine=affine, pixdim=(slice(1, 4), 3.0), **options))

    return build


def thick(path: Path) -> None:
    data, affine = brain()
    affine[:3, 2] *= 2
    save(path, data[:, :, ::2], affine)


def misnamed(path: Path) -> None:
    data, affine = brain()
    path.write_bytes(gzip.compress(nifti(data, affine=affine, pixdim=(slice(1, 4), 3.0)), 1))


TINY = nifti(image((20, 20, 20)))
PACKED = gzip.compress(TINY)
DAMAGED = "the gzip stream is damaged"
HELD = "what held"


def nothing(_: Path) -> None:
    """No file at all."""


FLAT = np.full((9, 9, 9), 7, np.int16)
BOMB = gzip.compress(TINY + bytes(2**21))
SERIES = nifti(image((8, 9, 10, 3)))
COLOURS = nifti(image(), datatype=128, bitpix=24)
DICOM = bytes(128) + b"DICM" + bytes(500)
scan(HELD, "no such file", nothing, "no such file: check the path", code=2)
scan(HELD, "an empty file", said="the file is empty", **as_bytes(b""))
scan(HELD, "cut off in the middle", said="truncated: holds", **as_bytes(TINY[:9000]))
scan(HELD, "a packed file cut off", said=DAMAGED, **as_bytes(PACKED[:-8], "SCAN.nii.gz"))
scan(HELD, "text", said="not a NIfTI file, whatever its name", **as_bytes(b"no scan\n" * 99))
scan(HELD, "DICOM", said="a DICOM file in it is damaged", **as_bytes(DICOM))
scan(HELD, "a series", said="holds more than one volume: split it", **as_bytes(SERIES))
scan(HELD, "a slice", said="is a two-dimensional image", **as_bytes(nifti(image((30, 30, 1)))))
scan(HELD, "colours", said="voxels of type RGB", **as_bytes(COLOURS))
scan(HELD, "one value", said="every voxel has the same value (7)", **as_bytes(nifti(FLAT)))
scan(HELD, "bytes behind the voxels", said="far more data than its header", **as_bytes(BOMB))
SINGULAR = nifti(image(), srow_z=0.0)
scan(HELD, "a singular affine", said="the affine is singular", **as_bytes(SINGULAR))
scan(HELD, "big-endian NIfTI-2", stored_as("int16", version=2, order=">"), "")
scan(HELD, "64-bit integers", stored_as("int64"), "")
scan(HELD, "a qfac of 0", with_fields(pixdim=(0, 0.0), sform_code=0), "")
scan(HELD, "packed, but named .nii", misnamed, "", name="SCAN.nii")
scan(HELD, "slices of 6 mm", thick, "too coarse for small regions to be trusted")
