"""What tests put into a store, and how they read and list it."""

from __future__ import annotations

from typing import BinaryIO, cast

from parcela.store.store import Store

KEY = "jobs/0f/request.json"
MEBIBYTE = 1024**2


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
