"""Label maps and masks as NIfTI, lying exactly on the scan they were made from.

The geometry fields of the scan's header are copied raw. nibabel's ``set_qform`` and ``set_sform`` are avoided on
purpose: they recompute quaternion, offsets and pixdim, and the last bits differ. Everything else in the header is
new, so that no text field or extension of the scan's, which may hold a name, survives.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray

from parcela.atlas.aal import REGION_COUNT
from parcela.files import atomic_file
from parcela.imaging.geometry import Geometry
from parcela.imaging.tissues import WHOLE

GEOMETRY_FIELDS = (
    "dim",
    "pixdim",  # pixdim[0] is qfac, the handedness of the qform
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
    "xyzt_units",
)
INTENT_NONE, INTENT_LABEL = 0, 1002  # NIFTI_INTENT_LABEL of nifti1.h


def write_label_map(path: Path, labels: NDArray[Any], geometry: Geometry) -> None:
    """Write a label map on the scan's own grid.

    The file has the scan's NIfTI version, byte order, ``dim`` (a scan stored as X×Y×Z×1 keeps its fourth axis) and raw
    geometry fields; voxels are uint8, the intent is 1002 (label). Equal input gives equal bytes. The file appears
    whole or not at all; it is compressed when the name ends in ``.gz``.

    Args:
        path: ``….nii.gz`` or ``….nii``.
        labels: (X, Y, Z) ids 0 to 116 of any integer type, in the array order of the scan.
        geometry: the scan's.

    Raises:
        ValueError: the shape is not the scan's, or an id is not an integer from 0 to 116.
        OSError: the file cannot be written.
    """
    _write(path, _as_uint8(labels, geometry, REGION_COUNT), geometry, INTENT_LABEL)


def write_mask(path: Path, mask: NDArray[Any], geometry: Geometry) -> None:
    """Write a mask, (X, Y, Z) of 0 and 1 or bool, as ``write_label_map`` does, with no intent.

    Raises:
        ValueError: the shape is not the scan's, or a value is neither 0 nor 1.
        OSError: the file cannot be written.
    """
    _write(path, _as_uint8(mask, geometry, 1), geometry, INTENT_NONE)


def write_ids(path: Path, ids: NDArray[np.uint16], geometry: Geometry) -> None:
    """Write a label map whose ids may be those of another program, as ``write_label_map`` does.

    Voxels are uint8 where the ids fit, else int16, which every program reads.

    Args:
        path: ``….nii.gz`` or ``….nii``.
        ids: (X, Y, Z), at most 32,767.
        geometry: the grid's.

    Raises:
        OSError: the file cannot be written.
    """
    if ids.shape != geometry.shape:
        raise ValueError(f"the map has shape {ids.shape}, the grid {geometry.shape}")
    small = ids.max() <= np.iinfo(np.uint8).max
    _write(path, ids.astype(np.uint8 if small else np.int16), geometry, INTENT_LABEL)


def packed_label_map(labels: NDArray[np.uint8], geometry: Geometry) -> bytes:
    """What ``write_label_map`` writes to a name that ends in ``.gz``."""
    stream = BytesIO()
    _pack(stream, _as_uint8(labels, geometry, REGION_COUNT), geometry, INTENT_LABEL)
    return stream.getvalue()


def packed_shares(shares: NDArray[np.uint8], geometry: Geometry) -> bytes:
    """Shares or probabilities, 0 to 255 for 0 to 1, as the bytes of a NIfTI file (``.nii.gz``).

    Args:
        shares: (X, Y, Z), or (X, Y, Z, C) for C classes.
        geometry: the grid's.
    """
    stream = BytesIO()
    _pack(stream, shares, geometry, INTENT_NONE, slope=1 / WHOLE)
    return stream.getvalue()


def _as_uint8(values: NDArray[Any], geometry: Geometry, highest: int) -> NDArray[np.uint8]:
    if values.shape != geometry.shape:
        raise ValueError(f"the map has shape {values.shape}, the scan {geometry.shape}")
    if values.dtype.kind not in "bui":
        raise ValueError(f"a map of integers is needed, not of {values.dtype}")
    if values.min() < 0 or values.max() > highest:
        raise ValueError(f"values {values.min()} to {values.max()} in a map of 0 to {highest}")
    return values.astype(np.uint8)


def _write(path: Path, voxels: NDArray[Any], geometry: Geometry, intent: int) -> None:
    with atomic_file(path) as stream:
        if path.suffix.lower() != ".gz":
            for part in _parts(voxels, geometry, intent):
                stream.write(part)
        else:
            _pack(stream, voxels, geometry, intent)


def _pack(
    stream: IO[bytes], voxels: NDArray[Any], geometry: Geometry, intent: int, slope: float = 1
) -> None:
    # No name and no time in the gzip header: two runs give the same bytes.
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0) as packed:
        for part in _parts(voxels, geometry, intent, slope):
            packed.write(part)


def _parts(
    voxels: NDArray[Any], geometry: Geometry, intent: int, slope: float = 1
) -> Iterator[bytes | memoryview]:
    """The header, then the voxels of each volume in turn."""
    yield _header(geometry.header, intent, voxels, slope).binaryblock
    yield bytes(4)  # no extensions
    in_order = voxels.astype(voxels.dtype.newbyteorder(geometry.header.endianness), copy=False)
    for volume in in_order.T if voxels.ndim == 4 else (in_order.T,):
        yield np.ascontiguousarray(volume).data  # (Z, Y, X): NIfTI's first axis runs fastest


def _header(scan: Nifti1Header, intent: int, voxels: NDArray[Any], slope: float) -> Nifti1Header:
    header = type(scan)(endianness=scan.endianness)
    for field in GEOMETRY_FIELDS:
        header[field] = scan[field]
    if voxels.ndim == 4:
        header["dim"] = (4, *voxels.shape, 1, 1, 1)
        header["pixdim"][4:] = 1
    header.set_data_dtype(voxels.dtype)
    header["vox_offset"] = header.single_vox_offset
    header["intent_code"] = intent
    header["scl_slope"], header["scl_inter"] = slope, 0
    return header
