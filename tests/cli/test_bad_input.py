"""Every bad input ends in one line that names the file and says what is wrong and what to do; nothing is left behind.

All are given to one run of the real command, in a process of its own.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest

from command import Finished, parcela
from nifti_files import image, nifti, write

EXIT_BAD_SCAN = 2
MEMORY_BYTES = 512 * 1024**2

Build = Callable[[Path], Path]
CASES: dict[str, tuple[Build, str, str]] = {}  # name: how to make it, what is wrong, what to do


def case(name: str, wrong: str, remedy: str) -> Callable[[Build], Build]:
    def add(build: Build) -> Build:
        CASES[name] = (build, wrong, remedy)
        return build

    return add


def bytes_case(name: str, file: str, content: bytes, wrong: str, remedy: str) -> None:
    """A case that is one file of these bytes, as they are."""

    def build(folder: Path) -> Path:
        (folder / file).write_bytes(content)
        return folder / file

    CASES[name] = (build, wrong, remedy)


def scan_case(name: str, wrong: str, remedy: str, data: Any = None, **fields: Any) -> None:
    """A case that is a NIfTI file, packed, with these voxels and header fields."""

    def build(folder: Path) -> Path:
        voxels = image() if data is None else data
        return write(folder / "scan.nii.gz", nifti(voxels, **fields))

    CASES[name] = (build, wrong, remedy)


# ---------------------------------------------------------------------------------------------- not a whole NIfTI file


@case("missing", "no such file", "check the path")
def _(folder: Path) -> Path:
    return folder / "scan.nii.gz"


@case("a folder", "holds no DICOM image", "give the folder")
def _(folder: Path) -> Path:
    (folder / "series").mkdir()
    return folder / "series"


@case("below a file", "no such file", "check the path")
def _(folder: Path) -> Path:
    write(folder / "scan.nii", nifti(image()))
    return folder / "scan.nii" / "scan.nii"


@case("a name too long", "cannot be read (File name too long)", "check")
def _(folder: Path) -> Path:
    return folder / ("x" * 300 + ".nii.gz")


@case("unreadable", "cannot be read (Permission denied)", "check its permissions")
def _(folder: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = write(folder / "scan.nii", nifti(image()))
    path.chmod(0)
    return path


@case("half of a pair", "one half of a .hdr/.img pair", "convert it to a single .nii.gz file")
def _(folder: Path) -> Path:
    nib.save(nib.Nifti1Pair(image(), np.eye(4)), folder / "scan.img")
    return folder / "scan.hdr"


@case("the other half", "one half of a .hdr/.img pair", "convert it to a single .nii.gz file")
def _(folder: Path) -> Path:
    nib.save(nib.Nifti1Pair(image(), np.eye(4)), folder / "scan.img")
    return folder / "scan.img"


@case("wrong gzip checksum", "the gzip stream is damaged (CRC check failed", "copy or export")
def _(folder: Path) -> Path:
    content = bytearray(gzip.compress(nifti(image())))
    content[-8] ^= 0xFF  # the first byte of the CRC-32
    (folder / "scan.nii.gz").write_bytes(content)
    return folder / "scan.nii.gz"


@case("wrong gzip length", "the gzip stream is damaged", "copy or export")
def _(folder: Path) -> Path:
    content = bytearray(gzip.compress(nifti(image())))
    content[-1] ^= 0xFF
    (folder / "scan.nii.gz").write_bytes(content)
    return folder / "scan.nii.gz"


@case("damaged deflate stream", "the gzip stream is damaged", "copy or export")
def _(folder: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 2**15, (30, 30, 30)).astype("int16")
    content = bytearray(gzip.compress(nifti(noise)))
    content[len(content) // 2 :: 7] = bytes(len(content[len(content) // 2 :: 7]))
    (folder / "scan.nii.gz").write_bytes(content)
    return folder / "scan.nii.gz"


WHOLE = nifti(image((20, 20, 20)))
PACKED = gzip.compress(WHOLE)
AGAIN = "copy"
bytes_case("empty", "scan.nii", b"", "the file is empty", AGAIN)
bytes_case("empty .gz", "scan.nii.gz", b"", "the file is empty", AGAIN)
bytes_case("empty when unpacked", "scan.nii.gz", gzip.compress(b""), "only 0 bytes", AGAIN)
bytes_case("a few bytes", "scan.nii", WHOLE[:100], "only 100 bytes", AGAIN)
bytes_case("truncated .nii", "scan.nii", WHOLE[: len(WHOLE) // 2], "truncated", AGAIN)
bytes_case("truncated by a byte", "scan.nii", WHOLE[:-1], "truncated", AGAIN)
bytes_case("only a header", "scan.nii", WHOLE[:348], "truncated", AGAIN)
bytes_case(
    "truncated .nii.gz", "scan.nii.gz", PACKED[: len(PACKED) // 2], "gzip stream is damaged", AGAIN
)
bytes_case("without gzip's end", "scan.nii.gz", PACKED[:-8], "gzip stream is damaged", AGAIN)
bytes_case("gzip's first bytes", "scan.nii.gz", PACKED[:2], "gzip stream is damaged", AGAIN)
bytes_case("truncated, then packed", "scan.nii.gz", gzip.compress(WHOLE[:9000]), "truncated", AGAIN)
bytes_case("text", "scan.nii", b"This is no scan.\n" * 50, "not a NIfTI file", "convert it")
bytes_case(
    "PNG", "scan.nii.gz", b"\x89PNG\r\n\x1a\n" + bytes(500), "not a NIfTI file", "convert it"
)
bytes_case("DICOM", "scan.nii", bytes(128) + b"DICM" + bytes(500), "a DICOM file", "export")
bytes_case("zeros", "scan.nii", bytes(5000), "not a NIfTI file", "convert it")
bytes_case("packed twice", "scan.nii.gz", gzip.compress(PACKED), "not a NIfTI file", "convert it")
bytes_case(
    "far too long", "scan.nii.gz", gzip.compress(WHOLE + bytes(2**21)), "far more data", "export"
)


# ---------------------------------------------------------------------------------------------- not one volume


scan_case("2-D", "two-dimensional", "a whole-head volume is needed", image((30, 30)))
scan_case(
    "one slice", "30×30×1 is a two-dimensional", "a whole-head volume is needed", image((30, 30, 1))
)
scan_case("4-D", "8×9×10×3 holds more than one volume", "split it", image((8, 9, 10, 3)))
scan_case("5-D", "more than one volume", "split it", image((8, 9, 10, 1, 3)))
scan_case("RGB", "voxels of type RGB", "export it so", datatype=128, bitpix=24)
scan_case("RGBA", "voxels of type RGBA", "export it so", datatype=2304, bitpix=32)
scan_case("complex", "voxels of type complex64", "export it so", image(dtype="complex64"))
scan_case("unknown type", "data type 77 is unknown", "export", datatype=77)
scan_case("all NaN", "every voxel is NaN", "export", np.full((12, 14, 16), np.nan, np.float32))
scan_case("constant", "the same value (7)", "export", np.full((12, 14, 16), 7, np.int16))
scan_case("all 0", "the same value (0)", "export", np.zeros((12, 14, 16), np.uint8))
scan_case("scaled to NaN", "intensity scaling is damaged", "correct", scl_slope=1, scl_inter=np.nan)


# ---------------------------------------------------------------------------------------------- an impossible header


BYTE_ORDERS = {"1le": (1, "<"), "1be": (1, ">"), "2le": (2, "<"), "2be": (2, ">")}
for _name, (_version, _order) in BYTE_ORDERS.items():
    _as: dict[str, Any] = {"version": _version, "order": _order}
    _no_sform = {"sform_code": 0, "pixdim": (1, 0.0)}
    _huge = "32767×32767×32767 is 35181150961663 voxels, over the limit"
    scan_case(f"zero spacing, {_name}", "voxel sizes of 0, 2, 2 mm", "correct", **_as, **_no_sform)
    scan_case(f"huge, {_name}", _huge, "crop or resample it", **_as, dim=(slice(1, 4), 32767))
scan_case(
    *("negative spacing", "voxel sizes of 2, -2, 2 mm", "correct"), sform_code=0, pixdim=(2, -2.0)
)
scan_case("NaN spacing", "voxel sizes of 2, 2, nan mm", "correct", pixdim=(3, np.nan))
scan_case("zero axis", "an axis of length 0", "export", dim=(3, 0))
scan_case("negative axis", "an axis of length -14", "export", dim=(2, -14))
scan_case("no axes", "claims 0 dimensions", "export", dim=(0, 0))
scan_case("singular affine", "the affine is singular", "correct", srow_z=0.0)
scan_case("flat affine", "the affine is singular", "correct", srow_y=[2, 0, 0, 0])
scan_case("NaN affine", "the affine is not finite", "correct", srow_x=(3, np.nan))
scan_case(
    "impossible quaternion",
    "the qform is no rotation",
    "correct",
    sform_code=0,
    qform_code=1,
    quatern_b=2.0,
)
scan_case("voxels far behind", "over the limit", "crop", version=2, vox_offset=2**50)
scan_case("beyond 64 bits", "over the limit", "crop", version=2, dim=(slice(1, 4), 2**62))


# ---------------------------------------------------------------------------------------------- gzip bombs


def bomb(path: Path, header: bytes, gib: int) -> Path:
    """``header`` and then gibibytes of zeros, in a few MB: one packed piece again and again, which gzip allows."""
    piece = gzip.compress(bytes(64 * 1024**2), 9)
    path.write_bytes(gzip.compress(header) + piece * (16 * gib))
    assert path.stat().st_size < 8e6
    return path


@case("gzip bomb", "holds far more data than its header says", "export it again")
def _(folder: Path) -> Path:
    return bomb(folder / "scan.nii.gz", nifti(image()), gib=4)


@case("gzip bomb as large as allowed", "the same value (0)", "export it again")
def _(folder: Path) -> Path:
    header = nifti(image(dtype="float64"), affine=np.eye(4), dim=(slice(1, 4), 512))[:352]
    return bomb(folder / "scan.nii.gz", header, gib=1)


@case("gzip bomb before the voxels", "ends before its voxels begin", "export it again")
def _(folder: Path) -> Path:
    header = nifti(image(), version=2, vox_offset=2 * 1024**3 - 10_000)[:544]
    return bomb(folder / "scan.nii.gz", header, gib=1)


@case("gzip bomb that is no NIfTI", "not a NIfTI file", "convert it")
def _(folder: Path) -> Path:
    return bomb(folder / "scan.nii.gz", b"", gib=4)


class Predicted(NamedTuple):
    """All bad inputs in one run: the scan of each case, how the run ended, and its files before and after."""

    scans: dict[str, Path]
    done: Finished
    before: list[Path]
    after: list[Path]


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Predicted:
    folder = tmp_path_factory.mktemp("bad")
    scans = {}
    for number, (name, (build, _, _)) in enumerate(CASES.items()):
        place = folder / f"{number:02}"
        place.mkdir()
        with suppress(pytest.skip.Exception):
            scans[name] = build(place)
    before = sorted(folder.rglob("*"))
    done = parcela("predict", *scans.values(), "-o", folder / "out")
    return Predicted(scans, done, before, sorted(folder.rglob("*")))


@pytest.mark.parametrize("name", CASES)
def test_given_a_bad_input_when_predicted_then_one_line_says_what_is_wrong_and_what_to_do(
    name: str, predicted: Predicted
) -> None:
    if name not in predicted.scans:
        pytest.skip("root may read everything")
    _, wrong, remedy = CASES[name]
    scan, lines = predicted.scans[name], predicted.done.err.splitlines()
    (line,) = (line for line in lines if line.startswith(f"parcela: {scan}: "))
    reason = line.removeprefix(f"parcela: {scan}: ")
    assert wrong in reason
    assert remedy in reason[reason.index(wrong) :]
    assert sum(str(scan.parent) in line for line in lines) == 1


def test_given_bad_inputs_alone_when_predicted_then_nothing_is_computed_kept_or_left(
    predicted: Predicted,
) -> None:
    done, count = predicted.done, len(predicted.scans)
    assert done.code == EXIT_BAD_SCAN
    assert done.out == ""
    assert len(done.err.splitlines()) == count + 1
    assert done.err.splitlines()[-1] == f"parcela: {count} of {count} scans failed"
    assert done.peak_bytes < MEMORY_BYTES
    assert predicted.after == predicted.before


def test_given_one_bad_input_when_predicted_then_its_line_is_all_that_is_said(
    tmp_path: Path,
) -> None:
    scan = write(tmp_path / "scan.nii.gz", nifti(image(), sform_code=0, pixdim=(1, 0.0)))
    done = parcela("predict", scan, "-o", tmp_path / "out")
    assert done.code == EXIT_BAD_SCAN
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith(f"parcela: {scan}: voxel sizes of 0, 2, 2 mm")
    assert done.peak_bytes < MEMORY_BYTES
    assert list(tmp_path.iterdir()) == [scan]


@pytest.mark.parametrize(
    ("command", "out"), [("predict", "map.nii.gz"), ("predict", "a/b"), ("preprocess", "a/b")]
)
def test_given_a_bad_input_when_any_output_is_asked_for_then_it_is_not_created(
    command: str, out: str, tmp_path: Path
) -> None:
    scan = write(tmp_path / "scan.nii", WHOLE[:-1])
    done = parcela(command, scan, "-o", tmp_path / out)
    assert (done.code, done.out) == (EXIT_BAD_SCAN, "")
    assert len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [scan]
