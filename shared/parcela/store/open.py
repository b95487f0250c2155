"""The store that an installation's settings name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from parcela.errors import Unavailable
from parcela.settings import Settings, secret
from parcela.settings import settings as current_settings
from parcela.store.folder import FolderStore
from parcela.store.store import Store


def open_store(settings: Settings | None = None) -> Store:
    """The store that the settings name (``PARCELA_STORE``): a folder, or ``http(s)://host:port/bucket``.

    Raises:
        Unavailable: none is named, or its secret cannot be read. StoreUnavailable: the folder cannot be made.
    """
    chosen = settings or current_settings()
    if not chosen.store:
        raise Unavailable(
            "no store: set PARCELA_STORE to a folder, or to http://host:port/bucket of an S3 server"
        )
    if chosen.store.startswith(("http://", "https://")):
        return _open_s3(chosen)
    return FolderStore(Path(chosen.store))


def _open_s3(chosen: Settings) -> Store:
    from parcela.store.s3 import S3Store

    url = urlsplit(chosen.store or "")
    bucket = url.path.strip("/")
    if not bucket or "/" in bucket:
        raise Unavailable(f"PARCELA_STORE={chosen.store}: give http://host:port/bucket")
    access_key = secret(chosen.store_access_key, chosen.store_access_key_file)
    secret_key = secret(chosen.store_secret_key, chosen.store_secret_key_file)
    if not (access_key and secret_key):
        raise Unavailable("set PARCELA_STORE_ACCESS_KEY and PARCELA_STORE_SECRET_KEY (or …_FILE)")
    secure = url.scheme == "https"
    return S3Store(url.netloc, bucket, access_key=access_key, secret_key=secret_key, secure=secure)
