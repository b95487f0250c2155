"""NIfTI headers: parsed from the first bytes of a stream, and checked before a single voxel is read."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from nibabel.nifti1 import Nifti1Header, data_type_codes
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError

from parcela.errors import BadScan
from parcela.imaging.geometry import header_affine, sform_counts
from parcela.settings import GIB

NIFTI1_BYTES, NIFTI2_BYTES = 348, 540
NIFTI2_LINE_FEEDS = (bytes(4), b"\r\n\x1a\n")  # of its magic, which text mode would change
RESAMPLED_VOXELS = 512**3  # of 1 mm, along the world's axes
RESAMPLED_BYTES = 56  # of memory that each of them takes while it is made (measured)
FARTHEST_BYTE = 64 * 1024**2  # at which voxels begin: behind extensions, where nobody keeps so much
FARTHEST_MM = 1e6  # from the world's origin; beyond, it is no scanner's
READABLE_KINDS = "iuf"  # numpy kinds: signed, unsigned, float
HALVES = (".hdr", ".img", ".hdr.gz", ".img.gz")
# Fields of free text, NIfTI-1's and -2's; ANALYZE's leftovers among them.
IDENTIFYING = ("data_type", "db_name", "descrip", "aux_file", "intent_name", "unused_str")
# Numbers that no stage reads, in whose bytes a text may be kept.
USELESS = (
    *("intent_p1", "intent_p2", "intent_p3", "intent_code", "extents", "session_error"),
    *("glmax", "glmin", "cal_max", "cal_min", "toffset"),
    *("slice_duration", "slice_start", "slice_end", "slice_code"),
)


def parse_header(path: Path, stream: IO[bytes]) -> Nifti1Header:
    """The header at the start of ``stream``, NIfTI-1 or -2, either byte order; nothing checked but that it is one.

    Raises:
        BadScan: too short, not NIfTI, or the header half of a ``.hdr``/``.img`` pair.
    """
    block = stream.read(NIFTI1_BYTES)
    if len(block) < NIFTI1_BYTES:
        raise BadScan(
            f"{path}: only {len(block)} bytes: too short for a NIfTI file; copy or export it again"
        )
    if block[344:348] == b"n+1\0":
        return Nifti1Header(block, _endianness(path, block, NIFTI1_BYTES), check=False)
    if block[4:8] == b"n+2\0":
        block += stream.read(NIFTI2_BYTES - NIFTI1_BYTES)
        if len(block) < NIFTI2_BYTES:
            raise BadScan(f"{path}: the header is cut short; copy or export the file again")
        if block[8:12] not in NIFTI2_LINE_FEEDS:
            raise BadScan(
                f"{path}: the NIfTI-2 header's line feeds were changed, as a transfer in text mode does it: "
                "copy it again in binary mode"
            )
        return Nifti2Header(block, _endianness(path, block, NIFTI2_BYTES), check=False)
    if block[344:347] == b"ni1" or block[4:7] == b"ni2" or path.name.endswith(HALVES):
        raise BadScan(
            f"{path}: one half of a .hdr/.img pair: convert it to a single .nii.gz file: "
            "`nib-convert scan.hdr scan.nii.gz` (nib-convert comes with Parcela)"
        )
    if block[128:132] == b"DICM":
        raise BadScan(
            f"{path}: a DICOM file, not NIfTI: convert its series with dcm2niix, or give all of it in a zip"
        )
    raise BadScan(f"{path}: not a NIfTI file, whatever its name: convert it first")


def _endianness(path: Path, block: bytes, size: int) -> str:
    for code, order in (("<", "little"), (">", "big")):
        if int.from_bytes(block[:4], order) == size:  # type: ignore[arg-type]
            return code
    raise BadScan(
        f"{path}: the NIfTI header is damaged (its first field is not {size}); export the file again"
    )


def anonymous(header: Nifti1Header) -> Nifti1Header:
    """A copy without text and without numbers that nobody reads, whose voxels begin right behind it."""
    clean: Nifti1Header = header.copy()
    for field in IDENTIFYING:
        if field in clean.keys():  # noqa: SIM118 - `in` asks a header for something else
            clean[field] = b""
    for field in USELESS:
        if field in clean.keys():  # noqa: SIM118
            clean[field] = 0
    clean["vox_offset"] = clean.single_vox_offset
    return clean


def check_header(path: Path, header: Nifti1Header, max_voxels: int, max_bytes: int) -> None:
    """Refuse what cannot be one three-dimensional image: its axes, its type, its scaling, its spacing, its affine.

    Args:
        path: the file, for the message.
        header: as ``parse_header`` gave it.
        max_voxels: the most voxels it may claim.
        max_bytes: the most bytes the file may unpack to.

    Raises:
        BadScan: with the field that is wrong, and what to do.
    """
    _check_axes(path, header, max_voxels)
    _check_type(path, header)
    _check_extent(path, header, max_bytes)
    _check_scaling(path, header)
    _check_spacing(path, header)
    _check_affine(path, header)
    _check_field_of_view(path, header, max_voxels)


def _check_axes(path: Path, header: Nifti1Header, max_voxels: int) -> None:
    dim = [int(n) for n in header["dim"]]
    rank = dim[0]
    if not 1 <= rank <= 7:
        raise BadScan(
            f"{path}: the header claims {rank} dimensions: it is damaged; export the file again"
        )
    axes = dim[1 : rank + 1]
    if min(axes) < 1:
        raise BadScan(
            f"{path}: an axis of length {min(axes)} in {_times(axes)}: the header is damaged; export it again"
        )
    if rank < 3 or min(axes[:3]) == 1:
        raise BadScan(
            f"{path}: {_times(axes)} is a two-dimensional image: a whole-head volume is needed"
        )
    if any(n > 1 for n in axes[3:]):
        raise BadScan(
            f"{path}: {_times(axes)} holds more than one volume: split it (fslroi, mrconvert) and give one"
        )
    voxels = axes[0] * axes[1] * axes[2]
    if voxels > max_voxels:
        raise BadScan(
            f"{path}: {_times(axes)} is {voxels} voxels, over the limit of {max_voxels}: crop or resample it"
        )


def _check_type(path: Path, header: Nifti1Header) -> None:
    code = int(header["datatype"])
    if code not in data_type_codes.value_set():
        raise BadScan(f"{path}: data type {code} is unknown to NIfTI; export the file again")
    dtype = header.get_data_dtype()
    if dtype.kind not in READABLE_KINDS or dtype.itemsize > 8:
        label = data_type_codes.label[code]
        raise BadScan(
            f"{path}: voxels of type {label}: one real number of at most 64 bits each is needed; export it so"
        )


def _check_extent(path: Path, header: Nifti1Header, max_bytes: int) -> None:
    offset = float(header["vox_offset"])
    if not np.isfinite(offset) or (offset != 0 and offset < header.single_vox_offset):
        raise BadScan(
            f"{path}: voxels said to begin at byte {offset:g}: the header is damaged; export it again"
        )
    end = offset + voxel_bytes(header)
    if end > max_bytes:
        raise BadScan(
            f"{path}: its header claims {end / GIB:.1f} GiB, over the limit of {max_bytes / GIB:.1f} GiB: "
            "crop or resample it"
        )
    if offset > FARTHEST_BYTE:
        raise BadScan(
            f"{path}: voxels said to begin at byte {offset:g}, behind more than any header has: export it again"
        )


def voxel_bytes(header: Nifti1Header) -> int:
    """How many bytes the voxels take that a header promises, (X, Y, Z) of its type."""
    x, y, z = (int(n) for n in header["dim"][1:4])
    return x * y * z * int(header.get_data_dtype().itemsize)


def _check_scaling(path: Path, header: Nifti1Header) -> None:
    try:
        header.get_slope_inter()
    except HeaderDataError as error:
        raise BadScan(
            f"{path}: the intensity scaling is damaged ({error}); correct scl_inter in the header"
        ) from error


def _check_spacing(path: Path, header: Nifti1Header) -> None:
    pixdim = np.asarray(header["pixdim"][1:4], np.float64)
    used = not sform_counts(header)  # an sform says the spacing as well
    if not np.isfinite(pixdim).all() or (used and (pixdim <= 0).any()):
        shown = ", ".join(f"{p:g}" for p in pixdim)
        raise BadScan(
            f"{path}: voxel sizes of {shown} mm: they must be positive; correct the header (nifti_tool, fslhd)"
        )


def _check_affine(path: Path, header: Nifti1Header) -> None:
    try:
        affine = header_affine(header)
    except (HeaderDataError, ValueError) as error:
        raise BadScan(
            f"{path}: the qform is no rotation ({error}); correct the header or export it again"
        ) from error
    if not np.isfinite(affine).all() or np.abs(affine).max() > FARTHEST_MM:
        raise BadScan(
            f"{path}: the affine is not finite, or tells of places kilometres away; correct the header"
        )
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if lengths.min() < 1e-6 or abs(np.linalg.det(axes / lengths)) < 1e-3:
        raise BadScan(f"{path}: the affine is singular: no place in the world; correct the header")
    if lengths.max() > 100 or lengths.min() < 0.01:
        raise BadScan(
            f"{path}: voxels of {lengths.min():g} to {lengths.max():g} mm: wrong units? correct the header"
        )


def _check_field_of_view(path: Path, header: Nifti1Header, max_voxels: int) -> None:
    """Every scan is resampled to 1 mm along the world's axes: what that will take is known from the header."""
    shape = np.asarray(header["dim"][1:4], np.float64)
    extent_mm = np.abs(header_affine(header)[:3, :3]) @ shape
    voxels, limit = float(extent_mm.prod()), max(max_voxels, RESAMPLED_VOXELS)
    if voxels > limit:
        raise BadScan(
            f"{path}: a field of view of {_times([round(mm) for mm in extent_mm])} mm: at 1 mm that is {voxels:.3g} "
            f"voxels and {voxels * RESAMPLED_BYTES / GIB:.0f} GiB of memory, over the limit of {limit} voxels: "
            "correct the voxel size in the header, or crop the scan"
        )


def _times(axes: list[int]) -> str:
    return "×".join(str(n) for n in axes)
