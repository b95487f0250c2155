"""NIfTI files written byte by byte, so that a header can say anything."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

CLASSES: dict[int, Any] = {1: nib.Nifti1Header, 2: nib.Nifti2Header}


def image(shape: tuple[int, ...] = (12, 14, 16), dtype: str = "int16") -> NDArray[Any]:
    """Voxels that are all different, as far as the type allows."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def nifti(
    data: NDArray[Any],
    *,
    version: int = 1,
    order: Literal["<", ">"] = "<",
    affine: NDArray[np.float64] | None = None,
    **fields: Any,
) -> bytes:
    """A single-file NIfTI of ``data`` with 2 mm voxels, in which header ``fields`` are then overwritten as told.

    A tuple such as ``pixdim=(1, 0.0)`` sets one element of an array field.
    """
    header = CLASSES[version](endianness=order)
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_zooms((2.0,) * data.ndim)
    header.set_sform(np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine, code=1)
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    for name, value in fields.items():
        if isinstance(value, tuple):
            header[name][value[0]] = value[1]
        else:
            header[name] = value
    stored = data.astype(data.dtype.newbyteorder(order))
    return bytes(header.binaryblock) + bytes(4) + stored.tobytes(order="F")


def write(path: Path, content: bytes) -> Path:
    """``content`` under ``path``, packed when the name ends in ``.gz``."""
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path
