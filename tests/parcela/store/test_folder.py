"""The store in a folder: bounded memory, private, no partial file left, and clear about a full disk."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from parcela.store.folder import ABANDONED_S, PARTS, FolderStore
from parcela.store.store import StoreUnavailable
from store_contents import KEY, MEBIBYTE, keys, source

PUT_AND_MEASURE = """
import sys, tracemalloc
from parcela.settings import Settings
from parcela.store.open import open_store
store = open_store(Settings(store=sys.argv[1]))
tracemalloc.start()
print(store.put("scan", sys.stdin.buffer).size, tracemalloc.get_traced_memory()[1])
"""


def test_given_a_long_source_then_it_streams_in_bounded_memory(tmp_path: Path) -> None:
    """In a process of its own: what other tests' threads allocate is not the store's."""
    size = 40 * MEBIBYTE + 7

    done = subprocess.run(
        [sys.executable, "-c", PUT_AND_MEASURE, tmp_path / "store"],
        input=bytes(size),
        capture_output=True,
        check=True,
    )

    stored, peak = map(int, done.stdout.split())
    assert stored == size
    assert peak < 8 * MEBIBYTE


def test_given_a_folder_then_a_deletion_leaves_no_trace_of_the_names(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    store.put("jobs/0f/inference/t/dseg.nii.gz", b"x")
    store.put("jobs/1e/request.json", b"x")
    store.delete("jobs/0f")
    names = {path.name for path in (tmp_path / "store").rglob("*")}
    assert names == {PARTS, "jobs", "1e", "request.json"}
    store.delete("jobs/1e/request.json")
    assert {path.name for path in (tmp_path / "store").rglob("*")} == {PARTS}


def test_given_partial_files_then_the_old_are_swept_and_the_young_stay(tmp_path: Path) -> None:
    import os

    FolderStore(tmp_path)
    for name, age in (("old", ABANDONED_S + 60), ("young", 60)):
        part = tmp_path / PARTS / f"{name}.part"
        part.write_bytes(b"half")
        os.utime(part, (time.time() - age,) * 2)
    store = FolderStore(tmp_path)
    assert [path.name for path in (tmp_path / PARTS).iterdir()] == ["young.part"]
    assert keys(store) == []


def test_given_a_store_of_somebody_else_then_others_may_not_look_into_it(tmp_path: Path) -> None:
    FolderStore(tmp_path / "store").put(KEY, b"x")
    assert (tmp_path / "store").stat().st_mode & 0o077 == 0


def test_given_a_full_disk_then_the_store_is_unavailable_and_nothing_stays(tmp_path: Path) -> None:
    import resource

    store = FolderStore(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # writing more fails as on a full disk
    try:
        with pytest.raises(StoreUnavailable, match="check the disk"):
            store.put(KEY, source(3 * MEBIBYTE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / PARTS).iterdir()) == []
    assert keys(store) == []


def test_given_a_file_where_the_folder_should_be_then_it_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreUnavailable, match="check the disk"):
        FolderStore(tmp_path / "store")
