"""The store's contract, on both back ends: a folder, and an S3 server over HTTP (see ``s3_server``)."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from parcela.errors import BadScan, Unavailable
from parcela.settings import Settings
from parcela.store.folder import ABANDONED_S, PARTS, FolderStore
from parcela.store.open import open_store
from parcela.store.store import BadKey, NotStored, Store, StoreUnavailable
from patience import patient
from s3_server import s3_server, store_settings

KEY = "jobs/0f/request.json"
MEBIBYTE = 1024**2


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of either kind."""
    if request.param == "folder":
        return open_store(Settings(store=str(tmp_path / "store")))
    return open_store(store_settings(request.getfixturevalue("s3_address")))


class Endless:
    """A source of so many bytes, never all in memory; it may break off."""

    def __init__(self, size: int, error: Exception | None = None) -> None:
        self.left, self.error = size, error

    def read(self, size: int = -1) -> bytes:
        if self.left == 0 and self.error is not None:
            raise self.error
        size = min(self.left, size if size > 0 else self.left, 100_000)  # short reads are allowed
        self.left -= size
        return b"x" * size


def source(size: int, error: Exception | None = None) -> BinaryIO:
    return cast(BinaryIO, Endless(size, error))


def content(store: Store, key: str, start: int = 0, length: int | None = None) -> bytes:
    with store.open(key, start, length) as stream:
        return stream.read()


def keys(store: Store, prefix: str = "") -> list[str]:
    return [stored.key for stored in store.list(prefix)]


def test_given_bytes_when_put_then_they_come_back_and_are_described(store: Store) -> None:
    begun = time.time()
    put = store.put(KEY, b"hello")
    found = store.stat(KEY)
    assert content(store, KEY) == b"hello"
    assert found is not None
    assert (found.key, found.size, found.etag) == (KEY, 5, put.etag) == (KEY, put.size, put.etag)
    assert begun - 2 <= found.modified <= time.time() + 2
    assert [(one.key, one.size, one.etag) for one in store.list()] == [(KEY, 5, put.etag)]


def test_given_an_empty_file_then_it_is_a_file(store: Store) -> None:
    store.put(KEY, b"")
    assert content(store, KEY) == b""
    assert keys(store) == [KEY]


def test_given_a_key_that_is_taken_when_put_then_it_is_replaced_and_its_etag_changes(
    store: Store,
) -> None:
    first = store.put(KEY, b"one")
    second = store.put(KEY, io.BytesIO(b"two"))
    assert content(store, KEY) == b"two"
    assert first.etag != second.etag


def test_given_a_key_that_is_free_when_created_then_it_is_stored_and_a_second_changes_nothing(
    store: Store,
) -> None:
    assert store.create(KEY, b"one")
    assert not store.create(KEY, b"two")
    assert not store.create(KEY, b"one")
    assert content(store, KEY) == b"one"
    store.delete(KEY)
    assert store.create(KEY, b"three")
    store.put(KEY, b"four")
    assert content(store, KEY) == b"four"
    assert keys(store) == [KEY]


def test_given_many_who_create_one_key_at_once_then_one_of_them_has_and_its_bytes_stand(
    store: Store,
) -> None:
    with ThreadPoolExecutor(8) as threads:
        for number in range(5):
            key = f"jobs/{number}/request.json"
            created = list(threads.map(lambda n, key=key: store.create(key, b"%d" % n), range(8)))
            assert created.count(True) == 1
            assert content(store, key) == b"%d" % created.index(True)


def test_given_an_etag_when_asked_again_then_it_stays(store: Store) -> None:
    store.put(KEY, b"one")
    store.put("jobs/0f/other", b"one")
    etags = {stored.etag for stored in (store.stat(KEY), store.stat(KEY)) if stored is not None}
    assert len(etags) == 1


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (3, 4, b"3456"),
        (0, 1, b"0"),
        (0, 0, b""),
        (8, 99, b"89"),
        (10, None, b""),
        (99, 5, b""),
    ],
)
def test_given_a_range_then_these_bytes_come(
    store: Store, start: int, length: int | None, expected: bytes
) -> None:
    store.put(KEY, b"0123456789")
    assert content(store, KEY, start, length) == expected


def test_given_a_stream_when_read_in_pieces_then_each_has_the_length_asked_for(
    store: Store,
) -> None:
    store.put(KEY, bytes(range(256)) * 100)
    with store.open(KEY, 1, 300) as stream:
        assert [len(stream.read(200)), len(stream.read(200)), len(stream.read(200))] == [
            200,
            100,
            0,
        ]


def test_given_a_source_of_unknown_length_then_all_of_it_is_stored(store: Store) -> None:
    size = 40 * MEBIBYTE + 7
    assert store.put(KEY, source(size)).size == size
    digest = hashlib.sha256()
    with store.open(KEY) as stream:
        while chunk := stream.read(MEBIBYTE):
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(b"x" * size).digest()


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


@pytest.mark.parametrize("size", [10, 20 * MEBIBYTE])
def test_given_a_source_that_breaks_off_then_its_own_error_comes_out_and_nothing_is_stored(
    store: Store, size: int
) -> None:
    with pytest.raises(BadScan, match="truncated"):
        store.put(KEY, source(size, BadScan("truncated")))
    assert store.stat(KEY) is None
    assert keys(store) == []


def test_given_a_source_that_breaks_off_then_what_was_there_stays(store: Store) -> None:
    store.put(KEY, b"before")
    with pytest.raises(BadScan):
        store.put(KEY, source(100, BadScan("truncated")))
    assert content(store, KEY) == b"before"


def test_given_nothing_there_then_each_question_has_its_answer(store: Store) -> None:
    assert store.stat(KEY) is None
    assert keys(store) == keys(store, "jobs/") == []
    assert store.delete(KEY) == 0
    for length in (None, 0, 3):
        with pytest.raises(NotStored, match=f"^{KEY} is not in the store$"):
            content(store, KEY, 0, length)
    store.put("jobs/0f/inference/t1/dseg.nii.gz", b"x")
    assert store.stat("jobs/0f/inference") is None
    with pytest.raises(NotStored):
        content(store, "jobs/0f/inference")
    assert store.stat("jobs/0f/inference/t1/dseg.nii.gz/more") is None


def test_given_many_files_when_listed_then_in_order_and_by_whole_names(store: Store) -> None:
    for key in ("jobs/10/b", "jobs/1/c", "jobs/1/a/z", "jobs/1.b", "tombstones/1.json"):
        store.put(key, b"x")
    assert keys(store, "jobs/1") == keys(store, "jobs/1/") == ["jobs/1/a/z", "jobs/1/c"]
    assert keys(store, "jobs") == ["jobs/1.b", "jobs/1/a/z", "jobs/1/c", "jobs/10/b"]
    assert len(keys(store)) == 5


@pytest.mark.slow
def test_given_more_files_than_a_page_of_s3_holds_then_all_are_listed_and_deleted(
    tmp_path: Path, s3_address: str
) -> None:
    store = open_store(store_settings(s3_address))
    for number in range(1005):
        store.put(f"jobs/1/{number:04}", b"")
    assert len(keys(store)) == 1005
    assert store.delete("jobs/1") == 1005
    assert keys(store) == []


def test_given_a_prefix_when_deleted_then_all_below_it_goes_and_nothing_beside_it(
    store: Store,
) -> None:
    for key in ("jobs/1/a", "jobs/1/b/c", "jobs/10/a", "jobs/2"):
        store.put(key, b"x")
    assert store.delete("jobs/1/") == 2
    assert store.delete("jobs/1") == 0
    assert keys(store) == ["jobs/10/a", "jobs/2"]
    assert store.delete("jobs/2") == 1
    assert keys(store) == ["jobs/10/a"]


@pytest.mark.parametrize(
    "key",
    [
        "/etc/passwd",
        "../up",
        "a/../../b",
        "a//b",
        ".",
        "a/.hidden",
        "a\\b",
        "a/b/",
        "",
        "ü",
        "a\n",
        "a" * 600,
    ],
)
def test_given_what_is_no_key_then_every_method_refuses_it(store: Store, key: str) -> None:
    with pytest.raises(BadKey):
        store.put(key, b"x")
    with pytest.raises(BadKey):
        store.create(key, b"x")
    with pytest.raises(BadKey):
        content(store, key)
    with pytest.raises(BadKey):
        store.stat(key)


@pytest.mark.parametrize("prefix", ["..", "/", "jobs/..", "/jobs", ".parts"])
def test_given_what_is_no_prefix_then_it_is_neither_listed_nor_deleted(
    store: Store, prefix: str
) -> None:
    with pytest.raises(BadKey):
        keys(store, prefix)
    with pytest.raises(BadKey):
        store.delete(prefix)


def test_given_the_empty_prefix_then_not_everything_is_deleted(store: Store) -> None:
    with pytest.raises(BadKey):
        store.delete("")


def test_given_writers_and_deleters_at_once_then_a_reader_sees_whole_files_only(
    store: Store,
) -> None:
    sizes, wrong = (1000, 300_000), []
    stop = threading.Event()

    def write(byte: bytes, size: int) -> None:
        while not stop.is_set():
            store.put(KEY, io.BytesIO(byte * size))

    def delete() -> None:
        while not stop.is_set():
            store.delete("jobs/0f")
            time.sleep(0.01)

    def read() -> None:
        while not stop.is_set():
            try:
                found = content(store, KEY)
            except NotStored:
                continue
            if len(found) not in sizes or len(set(found)) != 1:
                wrong.append(len(found))

    threads = [
        threading.Thread(target=write, args=(b"a", sizes[0])),
        threading.Thread(target=write, args=(b"b", sizes[1])),
        threading.Thread(target=delete),
        threading.Thread(target=read),
    ]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    stop.set()
    for thread in threads:
        thread.join(patient(5))
    assert wrong == []
    store.put(KEY, b"last")
    assert content(store, KEY) == b"last"


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


def test_given_no_server_then_every_method_says_that_the_store_is_unavailable() -> None:
    store = open_store(
        Settings(
            store="http://127.0.0.1:9/bucket", store_access_key="key", store_secret_key="secret"
        )
    )
    for call in (
        lambda: store.put(KEY, b"x"),
        lambda: store.create(KEY, b"x"),
        lambda: content(store, KEY),
        lambda: store.stat(KEY),
        lambda: keys(store),
        lambda: store.delete(KEY),
    ):
        with pytest.raises(StoreUnavailable, match="check PARCELA_STORE and the server"):
            call()


def test_given_a_bucket_that_vanished_then_the_next_but_one_put_has_it_again(
    s3_address: str,
) -> None:
    from parcela.store.s3 import S3Store

    store = open_store(store_settings(s3_address))
    assert isinstance(store, S3Store)
    store.put(KEY, b"x")
    store.delete(KEY)
    store._client.remove_bucket(store.bucket)
    assert keys(store) == []
    assert store.put(KEY, b"x").size == 1


def test_given_keys_in_files_then_they_are_read_there(tmp_path: Path, s3_address: str) -> None:
    chosen = store_settings(s3_address)
    (tmp_path / "access").write_text(f"{chosen.store_access_key}\n")
    (tmp_path / "secret").write_text(f"{chosen.store_secret_key}\n")
    files = {
        "store_access_key_file": tmp_path / "access",
        "store_secret_key_file": tmp_path / "secret",
    }
    store = open_store(Settings(store=chosen.store, **files))  # type: ignore[arg-type]
    assert store.put(KEY, b"x").size == 1
    files["store_secret_key_file"] = tmp_path / "missing"
    with pytest.raises(Unavailable, match="missing cannot be read"):
        open_store(Settings(store=chosen.store, **files))  # type: ignore[arg-type]


def test_given_a_server_without_keys_then_it_is_said_how_to_name_them() -> None:
    with pytest.raises(Unavailable, match="PARCELA_STORE_SECRET_KEY"):
        open_store(Settings(store="http://host:9000/bucket", store_access_key="key"))


@pytest.mark.parametrize("store", [None, "http://host:9000", "http://host:9000/a/b"])
def test_given_no_place_or_half_a_place_then_it_is_said_how_to_name_one(store: str | None) -> None:
    with pytest.raises(Unavailable, match="http://host:port/bucket"):
        open_store(Settings(store=store))
