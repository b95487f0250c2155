"""The store's contract for one file, on both back ends: it comes back whole, in ranges, and beside other writers."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from parcela.errors import BadScan
from parcela.store.store import NotStored, Store
from patience import patient
from store_contents import KEY, MEBIBYTE, content, keys, source


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
