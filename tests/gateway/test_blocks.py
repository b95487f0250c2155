"""Ranges of a file: each is compared with what was stored, without the whole file being read each time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from parcela.store.checksums import DamagedFile
from parcela.store.folder import FolderStore
from parcela_gateway.download import blocks as blocks_module
from parcela_gateway.download.archive import Member
from parcela_gateway.download.blocks import Blocks

BLOCK = 100
CONTENT = bytes(range(256)) * 4  # 1024 bytes: ten blocks and a rest
KEY = "jobs/a/dseg.nii.gz"


class CountingStore(FolderStore):
    """Counts the bytes that it was asked for."""

    asked = 0

    @contextmanager
    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        with super().open(key, start, length) as file:
            self.asked += len(CONTENT) - start if length is None else length
            yield file


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CountingStore:
    monkeypatch.setattr(blocks_module, "CHUNK", BLOCK)
    store = CountingStore(tmp_path)
    store.put(KEY, CONTENT)
    return store


def member(store: FolderStore, sha256: str | None = hashlib.sha256(CONTENT).hexdigest()) -> Member:
    stored = store.stat(KEY)
    assert stored is not None
    return Member("dseg.nii.gz", stored, sha256)


def flip(store: FolderStore, place: int) -> None:
    """Change a byte on the disk; neither size nor time tell of it."""
    (path,) = store.root.rglob("dseg.nii.gz")
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_given_a_file_once_compared_when_a_range_is_asked_for_then_its_blocks_alone_are_read(
    store: CountingStore,
) -> None:
    blocks = Blocks()
    blocks.check(store, member(store), 250, 10)
    assert store.asked == len(CONTENT), "all of it, the first time"
    for start, length, read in [(250, 10, 100), (199, 2, 200), (1000, 24, 24), (0, 1024, 1024)]:
        store.asked = 0
        blocks.check(store, member(store), start, length)
        assert store.asked == read


@pytest.mark.parametrize("place", [0, 250, 1023])
def test_given_a_byte_that_changes_later_then_its_range_is_damaged_and_no_other(
    store: CountingStore, place: int
) -> None:
    blocks, whole = Blocks(), member(store)
    blocks.check(store, whole, 0, 1)
    flip(store, place)
    assert member(store).stored.etag == whole.stored.etag
    for start in range(0, len(CONTENT), BLOCK):
        length = min(BLOCK, len(CONTENT) - start)
        if start <= place < start + length:
            with pytest.raises(DamagedFile, match=r"dseg\.nii\.gz is damaged"):
                blocks.check(store, whole, start, length)
        else:
            blocks.check(store, whole, start, length)
    with pytest.raises(DamagedFile):
        blocks.check(store, whole, 0, len(CONTENT))


def test_given_a_byte_that_changed_before_then_no_range_is_good(store: CountingStore) -> None:
    flip(store, 500)
    with pytest.raises(DamagedFile):
        Blocks().check(store, member(store), 0, 10)


def test_given_another_file_under_the_same_key_then_it_is_compared_from_end_to_end(
    store: CountingStore,
) -> None:
    blocks = Blocks()
    blocks.check(store, member(store), 0, 10)
    store.put(KEY, CONTENT[::-1])
    with pytest.raises(DamagedFile):
        blocks.check(store, member(store), 0, 10)


def test_given_no_hash_then_it_is_taken_as_it_is(store: CountingStore) -> None:
    Blocks().check(store, member(store, None), 0, 10)
    assert store.asked == 0


def test_given_many_files_then_the_longest_unused_is_forgotten(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks_module, "FILES", 1)
    blocks, first = Blocks(), member(store)
    blocks.check(store, first, 0, 10)
    store.put(KEY, CONTENT)  # another version
    blocks.check(store, member(store), 0, 10)
    store.asked = 0
    blocks.check(store, member(store), 0, 10)
    assert store.asked == BLOCK
    blocks.check(store, first, 0, 10)
    assert store.asked == BLOCK + len(CONTENT)
