"""Hashes beside the files: what is the same passes, and what differs, is missing or too many has a name."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from parcela.store.checksums import (
    SUMS,
    DamagedFile,
    check_bytes,
    check_names,
    hashes_in,
    read_sums,
    sums,
)
from parcela.store.folder import FolderStore


@pytest.fixture
def hashes(tmp_path: Path) -> dict[str, str]:
    """Of two files."""
    for name in ("image.npy", "trail.json"):
        (tmp_path / name).write_text(name)
    return hashes_in(tmp_path)


def test_given_hashes_when_stored_then_they_read_back_and_other_tools_check_them(
    tmp_path: Path, hashes: dict[str, str]
) -> None:
    store = FolderStore(tmp_path)
    store.put(SUMS, sums(hashes))
    assert read_sums(store, "") == hashes
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=tmp_path, check=True)


def test_given_no_hashes_then_nothing_is_compared(tmp_path: Path) -> None:
    assert read_sums(FolderStore(tmp_path), "jobs/0f/") == {}
    check_names({"image.npy"}, {})
    check_bytes(io.BytesIO(b"anything"), None, "image.npy")


def test_given_other_bytes_then_the_file_is_named(hashes: dict[str, str]) -> None:
    check_bytes(io.BytesIO(b"image.npy"), hashes["image.npy"], "image.npy")
    for content in (b"image.npz", b"image.np", b""):
        with pytest.raises(DamagedFile, match=r"the stored image\.npy is damaged"):
            check_bytes(io.BytesIO(content), hashes["image.npy"], "image.npy")


@pytest.mark.parametrize("names", [{"image.npy"}, {"image.npy", "trail.json", "more"}])
def test_given_files_that_are_gone_or_nobodys_then_they_are_named(
    hashes: dict[str, str], names: set[str]
) -> None:
    check_names({"image.npy", "trail.json"}, hashes)
    with pytest.raises(DamagedFile, match=r"the stored (more|trail\.json) is damaged"):
        check_names(names, hashes)
