"""The store that a setting names: its keys, its server, and what is said where either is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcela.errors import Unavailable
from parcela.settings import Settings
from parcela.store.open import open_store
from parcela.store.store import StoreUnavailable
from s3_server import store_settings
from store_contents import KEY, content, keys


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
