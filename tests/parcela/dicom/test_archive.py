"""Zips as nobody exports them are refused, with what is wrong and what to do; nothing is written outside the folder."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from dicom_series import NAME, file_bytes, oblique, series, write_folder
from parcela.dicom.archive import is_dicom, packed, sha256_of_archive, unpack
from parcela.errors import BadScan

FILES, BYTES = 40, 20 * 1024**2
IMAGES = series(np.arange(16**3, dtype=np.uint16).reshape(16, 16, 16), oblique())
ONE = file_bytes(IMAGES[0])
Build = Callable[[zipfile.ZipFile], None]


def zipped(build: Build, method: int = zipfile.ZIP_DEFLATED) -> BytesIO:
    """A zip with one good image, and what ``build`` adds."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("good.dcm", ONE)
        build(archive)
    stream.seek(0)
    return stream


def named(name: str, mode: int = 0) -> BytesIO:
    """A zip with an image of this name and of this kind."""
    member = zipfile.ZipInfo("x")
    member.filename = member.orig_filename = name
    member.external_attr = mode << 16
    return zipped(lambda archive: archive.writestr(member, ONE))


def encrypted() -> BytesIO:
    stream = named("secret.dcm")
    content = bytearray(stream.getvalue())
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    return BytesIO(content)


def claiming(size: int) -> BytesIO:
    """A zip whose directory claims another size of its last member."""
    content = bytearray(named("x.dcm").getvalue())
    place = content.rfind(b"PK\x01\x02") + 24
    content[place : place + 4] = struct.pack("<I", size)
    return BytesIO(content)


def other_method(code: int) -> BytesIO:
    content = bytearray(named("x.dcm").getvalue())
    place = content.rfind(b"PK\x01\x02") + 10
    content[place : place + 2] = struct.pack("<H", code)
    return BytesIO(content)


def changed_bytes() -> BytesIO:
    """A zip whose image is not the one that its checksum was made of."""
    content = bytearray(zipped(lambda _: None, zipfile.ZIP_STORED).getvalue())
    content[len(ONE) - 10] ^= 0xFF
    return BytesIO(content)


def bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr("bomb.dcm", bytes(128) + b"DICM" + bytes(12 * 1024**2))


def inner(archive: zipfile.ZipFile) -> None:
    archive.writestr("inner.zip", zipped(lambda _: None).getvalue())


def many(archive: zipfile.ZipFile) -> None:
    for number in range(FILES):
        archive.writestr(f"{number}.txt", b"")


HOSTILE: dict[str, tuple[BytesIO, str]] = {
    "a path upwards": (named(f"../../{NAME}.dcm"), "leaves its folder"),
    "a path upwards in the middle": (named(f"a/../../../{NAME}.dcm"), "leaves its folder"),
    "a path upwards by backslashes": (named(f"..\\..\\{NAME}.dcm"), "leaves its folder"),
    "an absolute path": (named("/etc/cron.d/x"), "absolute path"),
    "a drive": (named("C:\\Windows\\x.dcm"), "absolute path"),
    "a share": (named("\\\\host\\share\\x.dcm"), "absolute path"),
    "a symbolic link": (named("link.dcm", stat.S_IFLNK | 0o777), "holds a link"),
    "a device": (named("device.dcm", stat.S_IFCHR | 0o666), "holds what is no file"),
    "a pipe": (named("pipe.dcm", stat.S_IFIFO | 0o666), "holds what is no file"),
    "encrypted": (encrypted(), "encrypted"),
    "a bomb": (zipped(bomb), "zip bomb"),
    "too many files": (zipped(many), f"over the limit of {FILES}"),
    "too many bytes": (claiming(2**31), "over the limit"),
    "more bytes than it says": (claiming(200), "damaged"),
    "a zip in it": (zipped(inner), "holds another archive"),
    "a gzip in it": (
        zipped(lambda z: z.writestr("x.dcm.gz", b"\x1f\x8b" + bytes(200))),
        "holds another archive",
    ),
    "packed by LZMA": (
        zipped(lambda z: z.writestr("x", ONE, zipfile.ZIP_LZMA)),
        "packed by method 14",
    ),
    "packed by no method": (other_method(99), "packed by method 99"),
    "a wrong checksum": (changed_bytes(), "damaged"),
    "cut short": (BytesIO(named("x.dcm").getvalue()[:-40]), "damaged"),
    "its beginning alone": (BytesIO(b"PK\x03\x04" + bytes(60)), "damaged"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_given_a_hostile_zip_when_unpacked_then_it_is_refused_and_nothing_leaves_the_folder(
    tmp_path: Path, kind: str
) -> None:
    archive, reason = HOSTILE[kind]
    folder = tmp_path / "deep" / "down" / "unpacked"
    folder.mkdir(parents=True)
    archive.seek(0)
    with pytest.raises(BadScan, match=reason) as refused:
        unpack(archive, folder, FILES, BYTES)
    assert ":" in str(refused.value)  # and what to do
    assert "Doe" not in str(refused.value)
    files = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert all(path.parent == folder and path.name.isdecimal() for path in files)


def test_given_a_zip_of_a_series_when_unpacked_then_numbers_are_all_names(tmp_path: Path) -> None:
    def rest(archive: zipfile.ZipFile) -> None:
        archive.writestr(f"{NAME}/", b"")
        archive.writestr("__MACOSX/._good.dcm", b"Mac OS X")
        archive.writestr(f"{NAME}/notes.txt", NAME)
        archive.writestr(f"{NAME}/{NAME}.dcm", ONE)

    paths = unpack(zipped(rest), tmp_path, FILES, BYTES)
    assert [path.read_bytes() for path in paths] == [ONE, ONE]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert all(path.name.isdecimal() for path in paths)


def test_given_an_image_without_its_preamble_when_unpacked_then_it_has_one(tmp_path: Path) -> None:
    bare = ONE[132:]
    (path, _) = unpack(zipped(lambda z: z.writestr("x", bare)), tmp_path, FILES, BYTES)[::-1]
    assert path.read_bytes() == bytes(128) + b"DICM" + bare


def test_given_a_folder_when_packed_twice_then_the_zips_are_equal_and_name_nobody(
    tmp_path: Path,
) -> None:
    folder = write_folder(IMAGES, tmp_path / "series")
    (folder / "DICOMDIR.txt").write_text(NAME)
    hashes = []
    for _ in range(2):
        with packed(folder, FILES, BYTES) as archive:
            hashes.append(sha256_of_archive(archive))
            names = zipfile.ZipFile(archive).namelist()
    assert hashes[0] == hashes[1]
    assert names == [f"{number:05d}.dcm" for number in range(len(IMAGES))]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("files", "size", "reason"),
    [(3, BYTES, "over the limit of 3"), (FILES, 1000, "over the limit of 0.0 GiB")],
)
def test_given_a_folder_over_a_limit_when_packed_then_it_is_refused(
    tmp_path: Path, files: int, size: int, reason: str
) -> None:
    folder = write_folder(IMAGES, tmp_path / "series")
    with pytest.raises(BadScan, match=reason), packed(folder, files, size):
        pass


def test_given_paths_of_all_kinds_when_asked_then_only_those_of_dicom_are_taken(
    tmp_path: Path,
) -> None:
    (tmp_path / "one").write_bytes(ONE)
    (tmp_path / "series.bin").write_bytes(zipped(lambda _: None).getvalue())
    (tmp_path / "scan.nii").write_bytes(bytes(400))
    taken = [
        name for name in ("one", "series.bin", "scan.nii", "none") if is_dicom(tmp_path / name)
    ]
    assert taken == ["one", "series.bin"]
    assert is_dicom(tmp_path)
