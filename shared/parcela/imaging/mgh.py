"""FreeSurfer's volumes (``.mgh``, ``.mgz``) as NIfTI: the header said anew, the voxels as they lie.

The format: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat. All numbers are big-endian.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError

from parcela.errors import BadScan

MGH_BYTES = 284  # the voxels begin right behind them
MGH_BEGINNING = bytes((0, 0, 0, 1))  # the version; no NIfTI header begins so
LONGEST_AXIS = 32767  # that a NIfTI-1 header can tell
TOLD_BYTES = 90  # of the header; the rest is unused


def parse_mgh_header(path: Path, stream: IO[bytes]) -> Nifti1Header:
    """The header at the start of ``stream`` as a big-endian NIfTI-1 header; of its values only the axes are checked.

    Raises:
        BadScan: too short, damaged, without an orientation, or of a type that FreeSurfer does not know.
    """
    block = stream.read(MGH_BYTES)
    if len(block) < MGH_BYTES:
        raise BadScan(f"{path}: the header is cut short; copy or export the file again")
    mgh = MGHHeader(block[:TOLD_BYTES], check=False)
    if int.from_bytes(block[28:30], "big", signed=True) != 1:
        raise BadScan(
            f"{path}: its header tells of no orientation (goodRASFlag is not 1): set one with mri_convert, from the "
            "file that it was made of"
        )
    shape = [int(n) for n in mgh["dims"]]
    if min(shape) < 1 or max(shape) > LONGEST_AXIS:
        raise BadScan(f"{path}: axes of {shape} voxels: the header is damaged; export it again")
    return _as_nifti(path, mgh, shape)


def _as_nifti(path: Path, mgh: MGHHeader, shape: list[int]) -> Nifti1Header:
    header = Nifti1Header(endianness=">")
    try:
        header.set_data_dtype(mgh.get_data_dtype())
    except (KeyError, HeaderDataError) as error:
        raise BadScan(
            f"{path}: voxels of a type that FreeSurfer does not know; export it again"
        ) from error
    header.set_data_shape(shape if shape[3] > 1 else shape[:3])
    affine = mgh.get_affine()
    header["pixdim"][1:4] = mgh["delta"]
    if np.isfinite(affine).all() and np.linalg.matrix_rank(affine[:3, :3]) == 3:
        try:
            header.set_qform(affine, code=1)
        except HeaderDataError:  # axes of 10⁻³⁵: the sform has them too, and is refused
            header["qform_code"] = 0
    header.set_sform(affine, code=1)
    header.set_xyzt_units("mm")
    header["vox_offset"] = header.single_vox_offset
    return header
