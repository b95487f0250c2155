"""The store's contract for keys and prefixes, on both back ends: what they list, what they delete, what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcela.store.open import open_store
from parcela.store.store import BadKey, Store
from s3_server import store_settings
from store_contents import content, keys


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
