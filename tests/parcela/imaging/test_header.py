"""Headers: which one a block of bytes is, and which are refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest

from nifti_files import image, nifti
from parcela.errors import BadScan
from parcela.imaging.header import check_header, parse_header

PATH = Path("folder/scan.nii.gz")
LIMIT_VOXELS, LIMIT_BYTES = 512**3, 2 * 1024**3

formats = pytest.mark.parametrize(
    ("version", "order"), [(1, "<"), (1, ">"), (2, "<"), (2, ">")], ids=["1le", "1be", "2le", "2be"]
)


def parse(content: bytes, path: Path = PATH) -> nib.Nifti1Header:
    return parse_header(path, io.BytesIO(content))


def check(header: nib.Nifti1Header) -> None:
    check_header(PATH, header, LIMIT_VOXELS, LIMIT_BYTES)


def header_with(
    version: int = 1, order: Literal["<", ">"] = "<", **fields: Any
) -> nib.Nifti1Header:
    return parse(nifti(image(), version=version, order=order, **fields))


# ---------------------------------------------------------------------------------------------------- parsing


@formats
def test_given_either_version_in_either_byte_order_when_parsed_then_every_byte_is_kept(
    version: int, order: Literal["<", ">"]
) -> None:
    content = nifti(image(), version=version, order=order, sform_code=2)
    header = parse(content)
    assert type(header) is (nib.Nifti1Header if version == 1 else nib.Nifti2Header)
    assert header.endianness == order
    assert header.binaryblock == content[: len(header.binaryblock)]
    check(header)


def test_when_parsed_then_the_stream_stands_right_behind_the_header() -> None:
    for version, size in ((1, 348), (2, 540)):
        stream = io.BytesIO(nifti(image(), version=version))
        parse_header(PATH, stream)
        assert stream.tell() == size


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x00" * 347, "only 347 bytes"),
        (nifti(image(), version=2)[:539], "cut short"),
        (b"x" * 400, "not a NIfTI file"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 400, "not a NIfTI file"),
        (b"\x00" * 128 + b"DICM" + b"\x00" * 400, "dcm2niix"),
        (nifti(image(), magic=b"ni1"), "half of a .hdr/.img pair"),
        (nifti(image(), version=2, magic=b"ni2\x00\r\n\x1a\n"), "half of a .hdr/.img pair"),
        (nifti(image(), sizeof_hdr=349), "damaged"),
        (nifti(image(), version=2, sizeof_hdr=348), "damaged"),
    ],
    ids=["short", "short-2", "text", "png", "dicom", "pair", "pair-2", "size", "size-2"],
)
def test_given_bytes_that_are_no_single_nifti_when_parsed_then_it_is_said_what_they_are(
    content: bytes, reason: str
) -> None:
    with pytest.raises(BadScan, match=reason) as refused:
        parse(content)
    assert str(refused.value).startswith(f"{PATH}: ")


@pytest.mark.parametrize("name", ["scan.hdr", "scan.img", "scan.img.gz"])
def test_given_half_of_an_analyze_pair_when_parsed_then_it_is_called_so(name: str) -> None:
    with pytest.raises(BadScan, match=r"half of a \.hdr/\.img pair"):
        parse(b"\x5c\x01" + b"\x00" * 400, Path(name))


# ---------------------------------------------------------------------------------------------------- what is accepted


@formats
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pixdim": (0, 0.0)},  # the standard: a qfac of 0 means 1
        {"pixdim": (0, 0.0), "sform_code": 0, "qform_code": 1},
        {"sform_code": 0, "qform_code": 0},
        {"scl_slope": np.nan, "scl_inter": np.nan},
        {"scl_slope": 0, "scl_inter": np.inf},
        {"pixdim": (4, np.nan)},  # a spacing that no axis has
        {"pixdim": (1, 0.0)},  # beside a good sform, which says the spacing
        {"pixdim": (2, -2.0)},
        {"srow_x": 0.0, "qform_code": 1},  # an sform of no place beside a good qform
        {"srow_z": np.nan, "qform_code": 1},
        {"vox_offset": 0},
        {"bitpix": 0},
        {"quatern_b": 3.0},  # an impossible qform that does not count: the sform does
        {"sform_code": 17, "qform_code": 1},  # no code of NIfTI's: the qform counts
    ],
    ids=str,
)
def test_given_an_odd_but_usable_header_when_checked_then_it_passes(
    version: int, order: Literal["<", ">"], fields: dict[str, Any]
) -> None:
    check(header_with(version, order, **fields))


def test_given_a_fourth_axis_of_one_volume_when_checked_then_it_passes() -> None:
    check(parse(nifti(image((8, 9, 10, 1, 1)))))


# ---------------------------------------------------------------------------------------------------- what is refused


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no rank": ({"dim": (0, 0)}, "claims 0 dimensions"),
    "rank 8": ({"dim": (0, 8)}, "claims 8 dimensions"),
    "negative rank": ({"dim": (0, -3)}, "claims -3 dimensions"),
    "rank 2": ({"dim": (0, 2)}, "12×14 is a two-dimensional image"),
    "rank 1": ({"dim": (0, 1)}, "two-dimensional"),
    "one slice": ({"dim": (3, 1)}, "12×14×1 is a two-dimensional image"),
    "one column": ({"dim": (1, 1)}, "two-dimensional"),
    "zero axis": ({"dim": (2, 0)}, "an axis of length 0"),
    "negative axis": ({"dim": (1, -12)}, "an axis of length -12"),
    "too many voxels": (
        {"dim": (slice(1, 4), 32767)},
        "32767×32767×32767 is 35181150961663 voxels",
    ),
    "unknown type": ({"datatype": 3}, "data type 3 is unknown"),
    "negative type": ({"datatype": -16}, "data type -16 is unknown"),
    "no type": ({"datatype": 0}, "voxels of type none:"),
    "binary": ({"datatype": 1}, "voxels of type binary:"),
    "RGB": ({"datatype": 128}, "voxels of type RGB:"),
    "RGBA": ({"datatype": 2304}, "voxels of type RGBA:"),
    "complex64": ({"datatype": 32}, "voxels of type complex64:"),
    "complex128": ({"datatype": 1792}, "voxels of type complex128:"),
    "complex256": ({"datatype": 2048}, "voxels of type complex256:"),
    "float128": ({"datatype": 1536}, "voxels of type float128:"),
    "offset in the header": ({"vox_offset": 348}, "begin at byte 348"),
    "negative offset": ({"vox_offset": -352}, "begin at byte -352"),
    "far offset": ({"vox_offset": 2**40}, "over the limit of 2.0 GiB"),
    "intercept": ({"scl_slope": 2, "scl_inter": np.nan}, "intensity scaling is damaged"),
    "zero spacing": ({"sform_code": 0, "pixdim": (1, 0.0)}, r"voxel sizes of 0, 2, 2 mm"),
    "negative spacing": ({"sform_code": 0, "pixdim": (2, -2.0)}, r"voxel sizes of 2, -2, 2 mm"),
    "NaN spacing": ({"pixdim": (3, np.nan)}, r"voxel sizes of 2, 2, nan mm"),
    "infinite spacing": ({"pixdim": (3, np.inf)}, r"voxel sizes of 2, 2, inf mm"),
    "zero sform": ({"srow_x": 0.0}, "singular"),
    "one row twice": ({"srow_y": [2, 0, 0, 0]}, "singular"),
    "NaN sform": ({"srow_z": np.nan}, "not finite"),
    "infinite origin": ({"srow_z": (3, np.inf)}, "not finite"),
    "far away": ({"srow_z": (3, 1e9)}, "kilometres away"),
    "metres": ({"srow_x": [0.002, 0, 0, 0]}, "wrong units"),
    "micrometres": ({"srow_x": [2000, 0, 0, 0]}, "wrong units"),
    "quaternion": (
        {"sform_code": 0, "qform_code": 1, "quatern_b": 1.5},
        "the qform is no rotation",
    ),
    "NaN quaternion": ({"sform_code": 0, "qform_code": 1, "quatern_c": np.nan}, "not finite"),
}


@pytest.mark.parametrize(("fields", "reason"), REFUSED.values(), ids=REFUSED)
@formats
def test_given_a_header_that_cannot_be_a_scans_when_checked_then_it_is_refused_with_the_reason(
    version: int, order: Literal["<", ">"], fields: dict[str, Any], reason: str
) -> None:
    header = header_with(version, order, **fields)
    with pytest.raises(BadScan, match=reason) as refused:
        check(header)
    assert str(refused.value).startswith(f"{PATH}: ")
    assert "\n" not in str(refused.value)


def test_given_more_axes_than_three_with_several_volumes_when_checked_then_splitting_is_advised() -> (
    None
):
    with pytest.raises(BadScan, match=r"8×9×10×2 holds more than one volume: split it"):
        check(parse(nifti(image((8, 9, 10, 2)))))
    with pytest.raises(BadScan, match=r"more than one volume"):
        check(parse(nifti(image((8, 9, 10, 1, 3)))))


def test_given_nifti_2_axes_beyond_64_bits_together_when_checked_then_nothing_overflows() -> None:
    with pytest.raises(BadScan, match="over the limit of"):
        check(header_with(2, dim=(slice(1, 4), 2**62)))


def test_given_axes_within_the_limit_but_too_many_bytes_when_checked_then_it_is_refused() -> None:
    header = header_with(dim=(slice(1, 4), 512))
    header.set_sform(np.eye(4), code=1)
    header.set_data_dtype(np.float64)
    with pytest.raises(BadScan, match=r"claims 1.0 GiB, over the limit of 0.5 GiB"):
        check_header(PATH, header, LIMIT_VOXELS, LIMIT_BYTES // 4)
    check(header)


# ------------------------------------------------------------------------------------------------ field of view


def tilted(spacing_mm: float) -> Any:
    """A grid of such voxels, turned by 45 degrees about one axis."""
    turn = np.eye(4)
    turn[:2, :2] = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    return turn @ np.diag([spacing_mm] * 3 + [1])


@pytest.mark.parametrize(
    ("shape", "affine", "says"),
    [
        (
            (64, 64, 64),
            np.diag([20.0, 20, 20, 1]),
            "1280×1280×1280 mm: at 1 mm that is 2.1e+09 voxels and 109 GiB",
        ),
        ((64, 64, 64), np.diag([100.0, 100, 100, 1]), "6400×6400×6400 mm"),
        ((2, 512, 512), np.diag([100.0, 1, 2, 1]).dot(np.diag([1, 10, 1, 1])), "200×5120×1024 mm"),
        ((180, 180, 180), tilted(3), "764×764×540 mm"),
    ],
)
def test_given_a_small_file_of_a_vast_field_when_checked_then_it_says_what_it_would_take(
    shape: tuple[int, int, int], affine: Any, says: str
) -> None:
    header = header_with()
    header["dim"][1:4] = shape
    header.set_sform(affine, code=1)
    with pytest.raises(BadScan, match="correct the voxel size in the header") as refused:
        check(header)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((512, 512, 512), np.eye(4)),
        ((64, 64, 64), np.diag([8.0, 8, 8, 1])),
        ((256, 256, 256), tilted(1)),
        ((400, 400, 40), np.diag([0.6, 0.6, 5, 1])),
    ],
)
def test_given_a_large_but_possible_field_when_checked_then_it_passes(
    shape: tuple[int, int, int], affine: Any
) -> None:
    header = header_with()
    header["dim"][1:4] = shape
    header.set_sform(affine, code=1)
    check(header)
