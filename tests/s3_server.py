"""An S3 server for the tests: moto's over HTTP, or the one that ``PARCELA_TEST_S3`` names.

``PARCELA_TEST_S3=http://key:secret@host:port`` runs the same tests on another server, such as MinIO itself.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from parcela.settings import Settings


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address, with its keys in it."""
    if elsewhere := os.environ.get("PARCELA_TEST_S3"):
        yield elsewhere
        return
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://testkey:testsecret@{host}:{port}"
    finally:
        server.stop()


def store_settings(address: str) -> Settings:
    """The settings of a store in a fresh bucket of that server."""
    url = urlsplit(address)
    return Settings(
        store=f"{url.scheme}://{url.hostname}:{url.port}/test-{secrets.token_hex(8)}",
        store_access_key=url.username or "",
        store_secret_key=url.password or "",
    )
