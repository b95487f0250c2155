"""NIfTI and FreeSurfer files that are whole, and whose header or voxels cannot be those of one scan."""

from __future__ import annotations

from typing import Any

import numpy as np

from bad_inputs.bad_input import Answer, bytes_case, scan_case
from bad_inputs.files import WHOLE, mgh, mgh_with
from nifti_files import image, nifti

NOT_ONE = "Not one volume of real numbers"
VALUES = "No image in the voxels"
HEADER = "A header that cannot be"
PLACE = "A grid that lies nowhere"


# ---------------------------------------------------------------------------------------- not one volume


WHOLE_HEAD = "a whole-head volume is needed"
scan_case(NOT_ONE, "2-D", "two-dimensional", WHOLE_HEAD, image((30, 30)))
scan_case(NOT_ONE, "one slice", "30×30×1 is a two-dimensional", WHOLE_HEAD, image((30, 30, 1)))
scan_case(NOT_ONE, "one row", "two-dimensional", WHOLE_HEAD, image((90,)))
scan_case(NOT_ONE, "4-D", "8×9×10×3 holds more than one volume", "split it", image((8, 9, 10, 3)))
scan_case(NOT_ONE, "5-D", "more than one volume", "split it", image((8, 9, 10, 1, 3)))
scan_case(
    *(NOT_ONE, "CIFTI (a surface's values)", "two-dimensional", WHOLE_HEAD),
    image((1, 1, 1, 1, 4, 90), "float32"),
    version=2,
)
bytes_case(
    *(NOT_ONE, "4-D, FreeSurfer's", "scan.mgh", mgh(shape=(8, 9, 10, 3))),
    *("more than one volume", "split it"),
)
scan_case(NOT_ONE, "RGB", "voxels of type RGB", "export it so", datatype=128, bitpix=24)
scan_case(NOT_ONE, "RGBA", "voxels of type RGBA", "export it so", datatype=2304, bitpix=32)
scan_case(NOT_ONE, "complex", "voxels of type complex64", "export it so", image(dtype="complex64"))
scan_case(NOT_ONE, "128-bit numbers", "voxels of type float128", "export it so", datatype=1536)
scan_case(NOT_ONE, "single bits", "voxels of type binary", "export it so", datatype=1, bitpix=1)
scan_case(NOT_ONE, "no type", "voxels of type none", "export it so", datatype=0)
scan_case(NOT_ONE, "unknown type", "data type 77 is unknown", "export", datatype=77)


# ---------------------------------------------------------------------------------------- values


FAILS: Any = {"api": Answer.JOB_FAILS}
SHAPE = (12, 14, 16)
scan_case(
    VALUES, "all NaN", "every voxel is NaN", "export", np.full(SHAPE, np.nan, np.float32), **FAILS
)
scan_case(
    VALUES, "all infinite", "every voxel is NaN or", "export", np.full(SHAPE, np.inf, "f4"), **FAILS
)
scan_case(VALUES, "constant", "the same value (7)", "export", np.full(SHAPE, 7, np.int16), **FAILS)
scan_case(VALUES, "all 0", "the same value (0)", "export", np.zeros(SHAPE, np.uint8), **FAILS)
scan_case(
    *(VALUES, "scaled beyond all numbers", "every voxel is NaN or infinite", "export"),
    image(dtype="float32") + 1,
    scl_slope=3e38,
    scl_inter=3e38,
    **FAILS,
)
scan_case(
    *(VALUES, "scaled to NaN", "intensity scaling is damaged", "correct"),
    scl_slope=1,
    scl_inter=np.nan,
)


# ---------------------------------------------------------------------------------------- header


BYTE_ORDERS = {"1le": (1, "<"), "1be": (1, ">"), "2le": (2, "<"), "2be": (2, ">")}
for _name, (_version, _order) in BYTE_ORDERS.items():
    _as: Any = {"version": _version, "order": _order}
    _no_size: Any = {"sform_code": 0, "pixdim": (1, 0.0)}
    _huge: Any = {"dim": (slice(1, 4), 32767)}
    scan_case(
        *(PLACE, f"zero spacing, {_name}", "voxel sizes of 0, 2, 2 mm", "correct"), **_as | _no_size
    )
    scan_case(
        *(HEADER, f"huge, {_name}", "32767×32767×32767 is 35181150961663 voxels, over the limit"),
        *("crop or resample it",),
        **_as | _huge,
    )
scan_case(HEADER, "zero axis", "an axis of length 0", "export", dim=(3, 0))
scan_case(HEADER, "negative axis", "an axis of length -14", "export", dim=(2, -14))
scan_case(HEADER, "no axes", "claims 0 dimensions", "export", dim=(0, 0))
scan_case(HEADER, "nine axes", "claims 9 dimensions", "export", dim=(0, 9))
scan_case(HEADER, "voxels far behind", "over the limit", "crop", version=2, vox_offset=2**50)
scan_case(HEADER, "voxels behind the end", "ends before its voxels", "copy", vox_offset=40_000)
scan_case(HEADER, "voxels within the header", "to begin at byte 100", "export", vox_offset=100)
scan_case(HEADER, "voxels nowhere", "to begin at byte nan", "export", vox_offset=np.nan)
scan_case(HEADER, "beyond 64 bits", "over the limit", "crop", version=2, dim=(slice(1, 4), 2**62))
scan_case(HEADER, "a type larger than the voxels", "holds 25% of", "copy", datatype=64)
bytes_case(
    *(HEADER, "a wrong first field", "scan.nii", b"\x5d" + WHOLE[1:]),
    *("the NIfTI header is damaged (its first field is not 348)", "export"),
)
bytes_case(HEADER, "another magic", "scan.nii", WHOLE[:344] + b"n+3" + WHOLE[347:], "not a", "con")
bytes_case(
    *(HEADER, "a swapped first field", "scan.nii", WHOLE[3::-1] + WHOLE[4:]),
    *("claims 768 dimensions", "export"),
)
bytes_case(
    *(HEADER, "axes of 0, FreeSurfer's", "scan.mgh", mgh_with(4, bytes(4))),
    *("the header is damaged", "export"),
)
bytes_case(
    *(HEADER, "unknown type, FreeSurfer's", "scan.mgh", mgh_with(20, b"\x00\x00\x00\x63")),
    *("of a type that FreeSurfer does not know", "export"),
)


# ---------------------------------------------------------------------------------------- place


NO_SFORM: Any = {"sform_code": 0, "qform_code": 1}
scan_case(
    *(PLACE, "negative spacing", "voxel sizes of 2, -2, 2 mm", "correct"),
    sform_code=0,
    pixdim=(2, -2.0),
)
scan_case(PLACE, "NaN spacing", "voxel sizes of 2, 2, nan mm", "correct", pixdim=(3, np.nan))
scan_case(PLACE, "singular affine", "the affine is singular", "correct", srow_z=0.0)
scan_case(PLACE, "flat affine", "the affine is singular", "correct", srow_y=[2, 0, 0, 0])
scan_case(PLACE, "NaN affine", "the affine is not finite", "correct", srow_x=(3, np.nan))
scan_case(PLACE, "infinite affine", "the affine is not finite", "correct", srow_x=(0, np.inf))
scan_case(PLACE, "kilometres away", "kilometres away", "correct", srow_x=(3, 1e9))
scan_case(
    *(PLACE, "impossible quaternion", "the qform is no rotation", "correct"),
    quatern_b=2.0,
    **NO_SFORM,
)
scan_case(
    *(PLACE, "a place of NaN in the qform", "the affine is not finite", "correct"),
    qoffset_x=np.nan,
    **NO_SFORM,
)
scan_case(
    *(PLACE, "voxels of 1 µm", "voxels of 0.001 to 0.001 mm: wrong units?", "correct"),
    affine=np.diag([1e-3, 1e-3, 1e-3, 1]),
)
scan_case(
    *(PLACE, "voxels of 2 m", "voxels of 2000 to 2000 mm: wrong units?", "correct"),
    affine=np.diag([2e3, 2e3, 2e3, 1]),
)
scan_case(
    *(PLACE, "a room instead of a head", "a field of view of 1280×1280×1280 mm", "correct"),
    image((64, 64, 64), "uint8"),
    affine=np.diag([20.0, 20, 20, 1]),
)
bytes_case(
    *(PLACE, "no orientation, FreeSurfer's", "scan.mgh", mgh_with(28, b"\x00\x00")),
    *("tells of no orientation", "set one with mri_convert"),
)
SWAPPED = nifti(image(), sform_code=0, qform_code=1, pixdim=(slice(1, 4), -1.0))
bytes_case(PLACE, "sizes below 0", "scan.nii", SWAPPED, "voxel sizes of -1, -1, -1 mm", "correct")
