"""A scan in memory, and the only way to read one: every check of a received file happens here.

nibabel alone lets several broken files pass (a wrong gzip checksum, a NaN spacing, a header that claims terabytes), so
header and bytes are read and checked first, in bounded memory, and nibabel is asked only what a valid header means.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.errors import BadScan
from parcela.imaging.geometry import Geometry, declared_unit, sform_void, unit_mm
from parcela.imaging.header import voxel_bytes
from parcela.imaging.reading import Reading, unpacking
from parcela.settings import GIB, settings

# Unpacked to packed, from so many bytes on. Zeros reach 1030; a head of 2 mm on a grid of 512³, nearly all zeros, 330.
BOMB_RATIO, BOMB_BYTES = 700, 64 * 1024**2


@dataclass(frozen=True, eq=False)
class Volume:
    """One three-dimensional image with its grid.

    Attributes:
        data: (X, Y, Z) float32, in the array order of the file.
        geometry: the grid.
        name: the file's name without its ending.
        sha256: of the bytes received (compressed, if they were), or empty for an image made in memory.
        warnings: what a user should know about this scan, one sentence each.
        software: version of each program that made an image of what was received, such as dcm2niix.
    """

    data: NDArray[np.float32]
    geometry: Geometry
    name: str = "volume"
    sha256: str = ""
    warnings: tuple[str, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)

    def with_data(self, data: NDArray[np.float32]) -> Volume:
        """A volume of the same grid and provenance with other intensities, (X, Y, Z) float32."""
        return replace(self, data=data)


def scan_name(path: Path) -> str:
    """The file's name without ``.nii.gz``, ``.mgz`` and the like; ``scan`` when nothing is left."""
    ending = r"(\.nii|\.mgh|\.mgz|\.zip|\.dcm)?(\.gz)?$"
    return re.sub(ending, "", path.name, flags=re.IGNORECASE) or "scan"


def read_volume(path: str | Path) -> Volume:
    """Read and check one file: NIfTI (``.nii`` or ``.nii.gz``, versions 1 and 2), or FreeSurfer's ``.mgz``, ``.mgh``.

    The voxels are read twice: once to the file's end in a few MB, whatever it claims, and only when all is well into
    memory. How many voxels and bytes it may have is a setting.

    Raises:
        BadScan: the file is missing, damaged, not NIfTI, or not one three-dimensional image with usable geometry and
            intensities. The message names the file, the fault and the remedy.
    """
    path = Path(path)
    with reading_file(path):
        _check_file(path, settings().max_bytes)
        with path.open("rb") as file:
            return read_open(path, file)


def read_open(path: Path, file: BufferedReader[Any]) -> Volume:
    """Read and check a file that is open already; ``path`` is what messages and the volume call it.

    Raises:
        BadScan: as `read_volume`. OSError: the file cannot be read.
    """
    limits = settings()
    with unpacking(path):
        reading = Reading.of(path, file, max_voxels=limits.max_voxels, max_bytes=limits.max_bytes)
        _check_packing(reading, file)
        bad = _check_voxels(reading)
        reading.rewind()
        data = _load(reading)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    geometry = Geometry.from_header(reading.header)
    warnings = (*_geometry_warnings(geometry), *_voxel_warnings(bad))
    return Volume(data, geometry, scan_name(path), digest, warnings)


@contextmanager
def reading_file(path: Path) -> Iterator[None]:
    """A block that reads a file or a folder of the caller's. Raises BadScan: the disk refuses it."""
    try:
        yield
    except OSError as error:
        raise BadScan(
            f"{path}: cannot be read ({error.strerror or error}): check its permissions and the disk"
        ) from error


def _check_file(path: Path, max_bytes: int) -> None:
    if not path.exists():
        raise BadScan(f"{path}: no such file: check the path")
    if not path.is_file():
        raise BadScan(f"{path}: not a file: give a NIfTI file (.nii or .nii.gz)")
    size = path.stat().st_size
    if size == 0:
        raise BadScan(f"{path}: the file is empty: copy or export it again")
    if size > max_bytes:
        raise BadScan(
            f"{path}: {size / GIB:.1f} GiB is over the limit of {max_bytes / GIB:.1f} GiB: crop or resample it"
        )


def _check_packing(reading: Reading, file: BufferedReader[Any]) -> None:
    """Refuse a bomb before it is unpacked."""
    if reading.packed is None:
        return
    size, packed = voxel_bytes(reading.header), os.fstat(file.fileno()).st_size
    if size > BOMB_BYTES and size > BOMB_RATIO * packed:
        raise BadScan(
            f"{reading.path}: its header promises {size // packed} times the file's size, and no image packs so well "
            "(a gzip bomb, or truncated): export it again"
        )


def _check_voxels(reading: Reading) -> int:
    """Read to the end. Returns how many voxels are NaN or infinite."""
    bad, low, high = 0, np.inf, -np.inf
    for part in _intensities(reading):
        finite = part[np.isfinite(part)]
        bad += part.size - finite.size
        low = min(low, finite.min(initial=np.inf))
        high = max(high, finite.max(initial=-np.inf))
    reading.finish()
    if low > high:
        raise BadScan(
            f"{reading.path}: every voxel is NaN or infinite: there is no image in it; export it again"
        )
    if low == high:
        raise BadScan(
            f"{reading.path}: every voxel has the same value ({low:g}): there is no image in it; export it again"
        )
    return bad


def _load(reading: Reading) -> NDArray[np.float32]:
    """The intensities, (X, Y, Z), with 0 for what is NaN or infinite."""
    x, y, z = (int(n) for n in reading.header["dim"][1:4])
    data = np.empty(x * y * z, np.float32)
    start = 0
    for part in _intensities(reading):
        data[start : start + part.size] = np.where(np.isfinite(part), part, 0)
        start += part.size
    return np.ascontiguousarray(data.reshape((x, y, z), order="F"))


def _intensities(reading: Reading) -> Iterator[NDArray[np.float32]]:
    """The intensities in file order, scaled, a chunk at a time."""
    dtype = reading.header.get_data_dtype()
    slope, inter = reading.header.get_slope_inter()
    for chunk in reading.voxels():
        yield _scaled(np.frombuffer(chunk, dtype), slope, inter)


def _scaled(
    stored: NDArray[np.generic], slope: float | None, inter: float | None
) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        if slope is None:
            return stored.astype(np.float32)
        return (stored.astype(np.float64) * slope + (inter or 0)).astype(np.float32)


def _voxel_warnings(bad: int) -> tuple[str, ...]:
    return (f"{bad} voxels are NaN or infinite and were read as 0",) if bad else ()


def _geometry_warnings(geometry: Geometry) -> tuple[str, ...]:
    warnings = []
    if not geometry.orientation_known:
        warnings.append(
            "LEFT AND RIGHT ARE UNKNOWN: the header has neither sform nor qform (codes 0). The map lies on the scan's "
            "grid, but its side names hold only if the first axis runs from right to left (nibabel's reading of such "
            "a header)"
        )
    if geometry.orientation_contradicted:
        warnings.append(
            "SFORM AND QFORM CONTRADICT EACH OTHER about the axes: LEFT AND RIGHT ARE IN DOUBT. The "
            f"sform is used (axes {geometry.axcodes}); software that prefers the qform reads it otherwise. "
            "Find out which is right, and export or correct the file"
        )
    if sform_void(geometry.header):
        warnings.append(
            "the header's sform tells of no place (its axes are 0 or no axes): the qform is used"
        )
    if unit := declared_unit(geometry.header):
        warnings.append(
            f"the header says that its unit is the {unit}: voxels are read as "
            f"{'×'.join(f'{s:.3g}' for s in geometry.spacing_mm)} mm, though most software takes every header for mm"
        )
    if geometry.sheared:
        warnings.append(
            "the affine is sheared; it is honoured, but most software reads such headers differently"
        )
    if max(geometry.spacing_mm) > 4:
        warnings.append(
            f"voxels of up to {max(geometry.spacing_mm):.1f} mm: too coarse for small regions to be trusted"
        )
    extent = [n * s for n, s in zip(geometry.shape, geometry.spacing_mm, strict=True)]
    if min(extent) < 80 or max(extent) > 600:
        warnings.append(
            f"the field of view is {'×'.join(f'{e:.0f}' for e in extent)} mm, unusual for a whole head"
        )
    pixdim = np.asarray(geometry.header["pixdim"][1:4], np.float64)
    if not np.allclose(pixdim * unit_mm(geometry.header), geometry.spacing_mm, rtol=0.01):
        warnings.append(
            "the header's pixdim and its affine disagree on the voxel size; the affine is used"
        )
    return tuple(warnings)
