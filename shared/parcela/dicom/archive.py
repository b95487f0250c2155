"""A series as one zip: packed from a folder, and unpacked again by nobody who trusts it.

Whatever a member is called, it is unpacked under a number: no name of the archive's ever reaches the disk.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from parcela.errors import BadScan
from parcela.settings import GIB

ZIP_BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06")  # the second: an empty one
NESTED = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ")
PREAMBLE_BYTES = 132
PREAMBLE = bytes(128) + b"DICM"
META = b"\x02\x00"  # the first group, where the preamble is missing
OLD_BEGINNINGS = (META, b"\x08\x00")  # the other: a bare data set
CHUNK = 1024**2
UNNAMED = Path("the scan")  # what a child calls a scan whose name it does not know
ENCRYPTED = 0x1 | 0x40  # flags of a member
PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BOMB_RATIO, BOMB_BYTES = 100, 10 * 1024**2  # unpacked to packed, from so many bytes on
SAME_DATE = (1980, 1, 1, 0, 0, 0)  # of each member: equal files make an equal archive
NO_IMAGE = (
    "holds no DICOM image: give the folder that the series' files lie in, or a zip of that folder"
)


def is_dicom(path: Path) -> bool:
    """Whether a path is a folder, a zip or a DICOM file, and so for this room; what is unreadable is not."""
    try:
        if path.is_dir():
            return True
        block = _begins(path)
    except OSError:
        return False
    return block.startswith(ZIP_BEGINNINGS) or block[128:132] == b"DICM"


@contextmanager
def packed(path: Path, max_files: int, max_bytes: int) -> Iterator[IO[bytes]]:
    """The zip itself, or a folder's (or one file's) DICOM files as a zip that has no name on any disk.

    Members have numbers for names, in the order of the paths; equal files give equal bytes.

    Raises:
        BadScan: there is no DICOM file, or there are too many, or too many bytes. OSError: one cannot be read.
    """
    if path.is_file() and _begins(path).startswith(ZIP_BEGINNINGS):
        with path.open("rb") as archive:
            yield archive
        return
    with tempfile.TemporaryFile() as archive:
        _pack(_dicom_files(path, max_files), archive, max_bytes)
        archive.seek(0)
        yield archive


def sha256_of_archive(archive: IO[bytes]) -> str:
    """The SHA-256 of all its bytes, in hexadecimal; it stands at its first byte afterwards."""
    archive.seek(0)
    digest = hashlib.file_digest(archive, "sha256").hexdigest()  # type: ignore[arg-type]
    archive.seek(0)
    return digest


def unpack(archive: IO[bytes], folder: Path, max_files: int, max_bytes: int) -> list[Path]:
    """Unpack the DICOM files of a zip into ``folder`` under numbers; other files are read over.

    Raises:
        BadScan: it is damaged, encrypted or too large, or holds what no export of a series does: a path out of the
            folder, a link, another archive.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            packed_bytes = archive.seek(0, os.SEEK_END)
            _check_members(members, packed_bytes, max_files, max_bytes)
            return [
                path
                for number, member in enumerate(members)
                if (path := _extract(opened, member, folder / f"{number:05d}")) is not None
            ]
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise BadScan(f"the zip is damaged ({error}): pack or copy it again") from error


def _check_members(
    members: list[zipfile.ZipInfo], packed_bytes: int, max_files: int, max_bytes: int
) -> None:
    if len(members) > max_files:
        raise BadScan(_too_many(len(members), max_files))
    for member in members:
        _check_member(member)
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise BadScan(_too_large(total, max_bytes))
    if total > BOMB_BYTES and total > BOMB_RATIO * packed_bytes:
        raise BadScan(
            f"the zip unpacks to {total // packed_bytes} times its size (a zip bomb): no scan packs so well; "
            "pack the series again"
        )


def _check_member(member: zipfile.ZipInfo) -> None:
    """Refuse what no export of a series holds. A member's name may be a person's: no message repeats it."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if re.match(r"[/\\]|[A-Za-z]:", member.orig_filename):
        raise BadScan("the zip holds an absolute path: pack the series' folder itself")
    if ".." in re.split(r"[/\\]", member.orig_filename):
        raise BadScan("the zip holds a path that leaves its folder (..): pack the series again")
    if kind == stat.S_IFLNK:
        raise BadScan("the zip holds a link: pack the files themselves (zip without --symlinks)")
    if kind not in (0, stat.S_IFREG):
        raise BadScan("the zip holds what is no file (a device or a pipe): pack the series alone")
    if member.flag_bits & ENCRYPTED:
        raise BadScan("the zip is encrypted: pack the series without a password")
    if member.compress_type not in PLAIN_METHODS:
        raise BadScan(
            f"the zip is packed by method {member.compress_type}: pack it by the usual one (deflate)"
        )


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Path | None:
    """Unpack a DICOM file; None for any other. Raises BadScan: it is an archive."""
    with archive.open(member) as source:
        block = source.read(PREAMBLE_BYTES)
        if block.startswith(NESTED):
            raise BadScan(
                "the zip holds another archive: unpack that first, and pack the series alone"
            )
        if not _looks_dicom(block):
            return None
        with path.open("xb") as target:
            if block.startswith(META):  # dcm2niix wants what should come before it
                target.write(PREAMBLE)
            target.write(block)
            shutil.copyfileobj(source, target, CHUNK)
    return path


def _looks_dicom(block: bytes) -> bool:
    return block[128:132] == b"DICM" or block.startswith(OLD_BEGINNINGS)


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(PREAMBLE_BYTES)


def _dicom_files(path: Path, max_files: int) -> list[Path]:
    """The DICOM files below a folder, or the one given. Links to folders are not followed."""
    if path.is_file():
        return [path]
    paths: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        paths += [Path(folder, name) for name in sorted(names)]
        if len(paths) > max_files:
            raise BadScan(_too_many(len(paths), max_files))
    return [each for each in paths if each.is_file() and _looks_dicom(_begins(each))]


def _pack(paths: list[Path], target: IO[Any], max_bytes: int) -> None:
    if not paths:
        raise BadScan(NO_IMAGE)
    total = sum(path.stat().st_size for path in paths)
    if total > max_bytes:
        raise BadScan(_too_large(total, max_bytes))
    with zipfile.ZipFile(target, "w") as archive:
        for number, path in enumerate(paths):
            member = zipfile.ZipInfo(f"{number:05d}.dcm", SAME_DATE)
            with path.open("rb") as source, archive.open(member, "w") as stored:
                shutil.copyfileobj(source, stored, CHUNK)


def _too_many(count: int, most: int) -> str:
    return f"holds {count} files or more, over the limit of {most}: give the one series alone"


def _too_large(total: int, most: int) -> str:
    return f"holds {total / GIB:.1f} GiB, over the limit of {most / GIB:.1f} GiB: give the one series alone"
