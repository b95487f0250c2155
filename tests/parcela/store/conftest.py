"""An empty store of either kind: a folder, or an S3 server over HTTP (see ``s3_server``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parcela.settings import Settings
from parcela.store.open import open_store
from parcela.store.store import Store
from s3_server import s3_server, store_settings


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
