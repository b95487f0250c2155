"""Files that are missing, damaged, or something else than a scan."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bad_inputs.bad_input import Answer, bytes_case, case
from nifti_files import image, nifti, write

MISSING = "No file, or none that may be read"
DAMAGED = "Damaged on the way"
FOREIGN = "Something else than a scan"
ARCHIVES = "Zip archives (a DICOM series comes in one)"
BOMBS = "Small files that unpack to gigabytes"


# ---------------------------------------------------------------------------------------- missing


@case(MISSING, "missing", "no such file", "check the path", api=Answer.NO_FILE)
def _(folder: Path) -> Path:
    return folder / "scan.nii.gz"


@case(MISSING, "a folder", "holds no DICOM image", "give the folder", api=Answer.NO_FILE)
def _(folder: Path) -> Path:
    (folder / "series").mkdir()
    return folder / "series"


@case(MISSING, "below a file", "no such file", "check the path", api=Answer.NO_FILE)
def _(folder: Path) -> Path:
    write(folder / "scan.nii", nifti(image()))
    return folder / "scan.nii" / "scan.nii"


@case(
    *(MISSING, "a name too long", "cannot be read (File name too long)", "check"),
    api=Answer.NO_FILE,
)
def _(folder: Path) -> Path:
    return folder / ("x" * 300 + ".nii.gz")


@case(
    *(MISSING, "unreadable", "cannot be read (Permission denied)", "check its permissions"),
    api=Answer.NO_FILE,
)
def _(folder: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = write(folder / "scan.nii", nifti(image()))
    path.chmod(0)
    return path


@case(
    *(MISSING, "a link to nowhere, as git-annex and DataLad leave it", "no such file"),
    *("check the path",),
    api=Answer.NO_FILE,
)
def _(folder: Path) -> Path:
    (folder / "scan.nii.gz").symlink_to(".git/annex/objects/Xx/1J/MD5E-s1--0.nii.gz")
    return folder / "scan.nii.gz"


# ---------------------------------------------------------------------------------------- damaged


@case(DAMAGED, "wrong gzip checksum", "the gzip stream is damaged (CRC check failed", "copy or")
def _(folder: Path) -> Path:
    content = bytearray(gzip.compress(nifti(image())))
    content[-8] ^= 0xFF  # the first byte of the CRC-32
    (folder / "scan.nii.gz").write_bytes(content)
    return folder / "scan.nii.gz"


@case(DAMAGED, "wrong gzip length", "the gzip stream is damaged", "copy or export")
def _(folder: Path) -> Path:
    content = bytearray(gzip.compress(nifti(image())))
    content[-1] ^= 0xFF
    (folder / "scan.nii.gz").write_bytes(content)
    return folder / "scan.nii.gz"


@case(DAMAGED, "damaged deflate stream", "the gzip stream is damaged", "copy or export")
def _(folder: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 2**15, (30, 30, 30)).astype("int16")
    content = bytearray(gzip.compress(nifti(noise)))
    content[len(content) // 2 :: 7] = bytes(len(content[len(content) // 2 :: 7]))
    (folder / "scan.nii.gz").write_bytes(content)
    return folder / "scan.nii.gz"


def mgh(dtype: str = "int16", shape: tuple[int, ...] = (12, 14, 16)) -> bytes:
    """A small volume of FreeSurfer's."""
    content: bytes = nib.MGHImage(image(shape, dtype), np.diag([2.0, 2.0, 2.0, 1.0])).to_bytes()
    return content


def mgh_with(place: int, value: bytes) -> bytes:
    content = bytearray(mgh())
    content[place : place + len(value)] = value
    return bytes(content)


WHOLE = nifti(image((20, 20, 20)))
PACKED = gzip.compress(WHOLE)
GZIP = "gzip stream is damaged"
AGAIN = "copy"
for _file, _name, _content, _wrong in (
    ("empty", "scan.nii", b"", "the file is empty"),
    ("empty .gz", "scan.nii.gz", b"", "the file is empty"),
):
    bytes_case(DAMAGED, _file, _name, _content, _wrong, AGAIN, api=Answer.EMPTY)
for _file, _name, _content, _wrong in (
    ("empty when unpacked", "scan.nii.gz", gzip.compress(b""), "only 0 bytes"),
    ("a few bytes", "scan.nii", WHOLE[:100], "only 100 bytes"),
    ("truncated .nii", "scan.nii", WHOLE[: len(WHOLE) // 2], "truncated: holds 49%"),
    ("truncated by a byte", "scan.nii", WHOLE[:-1], "truncated"),
    ("only a header", "scan.nii", WHOLE[:348], "truncated"),
    ("truncated .nii.gz", "scan.nii.gz", PACKED[: len(PACKED) // 2], GZIP),
    ("without gzip's end", "scan.nii.gz", PACKED[:-8], GZIP),
    ("gzip's first bytes", "scan.nii.gz", PACKED[:2], GZIP),
    ("truncated, then packed", "scan.nii.gz", gzip.compress(WHOLE[:9000]), "truncated"),
    ("rubbish behind the gzip stream", "scan.nii.gz", PACKED + b"rubbish", GZIP),
    ("a NIfTI-2 header cut short", "scan.nii", nifti(image(), version=2)[:400], "cut short"),
    ("truncated .mgh", "scan.mgh", mgh()[:2000], "truncated"),
    ("truncated .mgz", "scan.mgz", gzip.compress(mgh())[:-30], GZIP),
    ("an .mgh header cut short", "scan.mgh", mgh()[:80], "the header is cut short"),
):
    bytes_case(DAMAGED, _file, _name, _content, _wrong, AGAIN)
bytes_case(
    *(DAMAGED, "bytes of text mode (line feeds doubled)", "scan.nii"),
    *(nifti(image((10, 20, 20))).replace(b"\n", b"\r\n"), "not a NIfTI file", "convert it"),
)
TEXT = nifti(image(), version=2).replace(b"n+2\0\r\n\x1a\n", b"n+2\0\n\x1a\n\n")
bytes_case(
    *(DAMAGED, "a NIfTI-2 file after text mode", "scan.nii", TEXT),
    *("line feeds were changed", "copy it again in binary mode"),
)
bytes_case(
    *(DAMAGED, "far too long", "scan.nii.gz", gzip.compress(WHOLE + bytes(2**21))),
    *("far more data", "export"),
)


# ---------------------------------------------------------------------------------------- foreign


@case(FOREIGN, "half of a pair", "one half of a .hdr/.img pair", "convert it to a single .nii.gz")
def _(folder: Path) -> Path:
    nib.save(nib.Nifti1Pair(image(), np.eye(4)), folder / "scan.img")
    return folder / "scan.hdr"


@case(
    *(FOREIGN, "the other half", "one half of a .hdr/.img pair", "convert it to a single .nii.gz"),
    api=Answer.NOT_NIFTI,
)
def _(folder: Path) -> Path:
    nib.save(nib.Nifti1Pair(image(), np.eye(4)), folder / "scan.img")
    return folder / "scan.img"


@case(
    *(FOREIGN, "ANALYZE 7.5", "one half of a .hdr/.img pair", "convert it to a single .nii.gz"),
    api=Answer.NOT_NIFTI,
)
def _(folder: Path) -> Path:
    nib.save(nib.AnalyzeImage(image(), np.eye(4)), folder / "scan.img")
    return folder / "scan.hdr"


def tar_of(content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo("scan.nii")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
ANNEX = b"/annex/objects/MD5E-s1--0.nii.gz\n"
for _file, _name, _content, _wrong in (
    ("text", "scan.nii", b"This is no scan.\n" * 50, "not a NIfTI file"),
    ("zeros", "scan.nii", bytes(5000), "not a NIfTI file"),
    ("packed twice", "scan.nii.gz", gzip.compress(PACKED), "not a NIfTI file"),
    ("PNG", "scan.nii.gz", b"\x89PNG\r\n\x1a\n" + bytes(500), "not a NIfTI file"),
    ("JPEG", "scan.nii", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(500), "not a NIfTI file"),
    ("PDF", "scan.nii", b"%PDF-1.7\n" + bytes(500), "not a NIfTI file"),
    ("a web page", "scan.nii.gz", b"<!doctype html>" + b" " * 500, "not a NIfTI file"),
    ("a sidecar of BIDS", "scan.json", b'{"Modality": "MR"}' + b" " * 500, "not a NIfTI file"),
    ("MINC 1", "scan.mnc", b"CDF\x01" + bytes(500), "not a NIfTI file"),
    ("MINC 2", "scan.mnc", b"\x89HDF\r\n\x1a\n" + bytes(500), "not a NIfTI file"),
    ("NRRD", "scan.nrrd", b"NRRD0005\ntype: short\n" + bytes(500), "not a NIfTI file"),
    ("MetaImage", "scan.mha", b"ObjectType = Image\nNDims = 3\n" * 20, "not a NIfTI file"),
    ("GIFTI", "scan.gii", b'<?xml version="1.0"?>\n<GIFTI>' + b" " * 500, "not a NIfTI file"),
    ("AFNI", "scan.HEAD", b"type = string-attribute\n" * 30, "not a NIfTI file"),
    ("NumPy", "scan.npy", b"\x93NUMPY\x01\x00" + bytes(500), "not a NIfTI file"),
    ("bzip2", "scan.nii.bz2", bz2.compress(os.urandom(1000)), "not a NIfTI file"),
    ("xz", "scan.nii.xz", lzma.compress(os.urandom(1000)), "not a NIfTI file"),
    ("a tar archive", "scan.tar.gz", tar_of(WHOLE), "not a NIfTI file"),
):
    bytes_case(FOREIGN, _file, _name, _content, _wrong, "convert it")
bytes_case(FOREIGN, "Git LFS's pointer", "scan.nii.gz", LFS, f"only {len(LFS)} bytes", AGAIN)
bytes_case(FOREIGN, "git-annex's pointer", "scan.nii.gz", ANNEX, f"only {len(ANNEX)} bytes", AGAIN)
bytes_case(
    *(FOREIGN, "DICOM", "scan.nii", bytes(128) + b"DICM" + bytes(500)),
    *("a DICOM file", "export"),
    api=Answer.CONVERT,
)


# ---------------------------------------------------------------------------------------- archives


def zip_of(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


DICOM = bytes(128) + b"DICM" + bytes(500)
LOCKED = bytearray(zip_of({"1.dcm": DICOM}))
LOCKED[6] |= 1  # the flag in the member's own header, and in the list of members
LOCKED[LOCKED.index(b"PK\x01\x02") + 8] |= 1
NO_IMAGE = ("holds no DICOM image", "give the folder")
for _file, _content, _wrong, _remedy in (
    ("an empty zip", zip_of({}), *NO_IMAGE),
    ("a zip of a NIfTI file", zip_of({"scan.nii": WHOLE}), *NO_IMAGE),
    ("a zip of an office's document", zip_of({"word/document.xml": b"<w/>"}), *NO_IMAGE),
    (
        "a zip in a zip",
        zip_of({"a.zip": zip_of({"1.dcm": DICOM})}),
        "holds another archive",
        "unpack",
    ),
    ("a zip with a password", bytes(LOCKED), "the zip is encrypted", "without a password"),
    ("a zip that leaves its folder", zip_of({"../1.dcm": DICOM}), "leaves its folder", "again"),
    ("a zip cut off", zip_of({"1.dcm": os.urandom(900)})[:500], "the zip is damaged", "again"),
    ("a damaged image in a zip", zip_of({"1.dcm": DICOM}), "file in it is damaged", "export"),
):
    bytes_case(ARCHIVES, _file, "scan.zip", _content, _wrong, _remedy, slow=True)


# ---------------------------------------------------------------------------------------- bombs


def bomb(path: Path, header: bytes, gib: int) -> Path:
    """``header`` and then gibibytes of zeros, in a few MB: one packed piece again and again, which gzip allows."""
    piece = gzip.compress(bytes(64 * 1024**2), 9)
    path.write_bytes(gzip.compress(header) + piece * (16 * gib))
    assert path.stat().st_size < 8e6
    return path


@case(BOMBS, "gzip bomb", "holds far more data than its header says", "export it again")
def _(folder: Path) -> Path:
    return bomb(folder / "scan.nii.gz", nifti(image()), gib=4)


@case(
    *(BOMBS, "gzip bomb as large as allowed", "times the file's size, and no image packs so well"),
    *("export it again",),
    api=Answer.SAME_VALUE,
    slow=True,
)
def _(folder: Path) -> Path:
    header = nifti(image(dtype="float64"), affine=np.eye(4), dim=(slice(1, 4), 512))[:352]
    return bomb(folder / "scan.nii.gz", header, gib=1)


@case(BOMBS, "gzip bomb before the voxels", "said to begin at byte 2.14747e+09", "export it again")
def _(folder: Path) -> Path:
    header = nifti(image(), version=2, vox_offset=2 * 1024**3 - 10_000)[:544]
    return bomb(folder / "scan.nii.gz", header, gib=1)


@case(BOMBS, "gzip bomb that is no NIfTI", "not a NIfTI file", "convert it")
def _(folder: Path) -> Path:
    return bomb(folder / "scan.nii.gz", b"", gib=4)
