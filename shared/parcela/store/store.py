"""The store: the files of all jobs, by key. A local folder and any S3 server answer to one interface.

A key is a relative path of plain names (``jobs/0f…/request.json``). A file is seen whole or not at all, so that a
reader needs no lock and a crash leaves nothing half there. One contract test runs on both back ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from parcela.errors import BadRequest, ParcelaError, Unavailable

KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
LONGEST_KEY = 512
CHUNK = 1024**2  # bytes at a time


class NotStored(ParcelaError, KeyError):
    """There is no file under this key."""

    status = 404
    slug = "not-stored"

    def __str__(self) -> str:
        return ParcelaError.__str__(self)  # KeyError would put quotes around it


class BadKey(BadRequest):
    """Something that cannot be a key: an absolute path, one that leaves the store, an odd character."""

    slug = "bad-key"


class StoreUnavailable(Unavailable):
    """The store cannot be reached, or refuses: a server that is down, a full disk, a wrong secret."""

    slug = "store-unavailable"


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of the store.

    Attributes:
        key: its name.
        size: bytes.
        etag: changes whenever the bytes do (a strong validator, without quotes).
        modified: Unix seconds.
    """

    key: str
    size: int
    etag: str
    modified: float


class Store(Protocol):
    """Files by key. Every method may raise StoreUnavailable (503), and BadKey for what is no key."""

    def put(self, key: str, source: BinaryIO | bytes) -> Stored:
        """Store all of ``source``, of any length, in bounded memory; what was there is replaced in one step.

        An error of the source's own ``read`` passes through, and nothing is stored.
        """
        ...

    def create(self, key: str, content: bytes) -> bool:
        """Store a small file where none lies; False where one does, which then stays as it is.

        Of all who create the same key at once, in whatever processes, one alone gets True. Who gets False may be told
        of a file of its own, where the answer to an earlier try was lost: compare the contents.
        """
        ...

    def open(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """The bytes from ``start`` on, ``length`` of them at most, as a stream for a ``with`` block (not seekable).

        Raises:
            NotStored: nothing lies there.
        """
        ...

    def stat(self, key: str) -> Stored | None:
        """What lies under a key, or None."""
        ...

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """All files below a prefix of whole names, in the order of their keys; the empty prefix means all."""
        ...

    def free_bytes(self) -> int | None:
        """Room that is left for files; None where nobody says."""
        ...

    def delete(self, key: str) -> int:
        """Erase the file of this key and all files below it; returns how many there were (0 is no error)."""
        ...


def check_room(store: Store, least_mb: int) -> None:
    """Raise StoreUnavailable where less room is left than shall stay."""
    free = store.free_bytes()
    if free is not None and free < least_mb * 1e6:
        raise StoreUnavailable(
            f"{free / 1e6:.0f} MB are left for jobs, and {least_mb} MB stay free (PARCELA_MIN_FREE_MB): "
            "delete jobs, or give the store a larger disk"
        )


def checked(key: str) -> str:
    """The key itself, once it is known to be one.

    Raises:
        BadKey: it is none.
    """
    if len(key) > LONGEST_KEY or not KEY.fullmatch(key):
        raise BadKey(
            f"{key[:80]!r} is not a key of the store: give plain names with slashes between"
        )
    return key


def checked_prefix(prefix: str) -> str:
    """A prefix of whole names without the slash at its end; raises BadKey."""
    return checked(prefix.rstrip("/")) if prefix else prefix


def read(store: Store, key: str) -> bytes:
    """All bytes of one small file.

    Raises:
        NotStored: nothing lies there. StoreUnavailable.
    """
    with store.open(key) as file:
        return file.read()
