"""A zip archive of files in the store, made while it is sent: always the same bytes, so that ranges of it can be had.

Members are stored, not packed again, with one fixed date; each is followed by its checksum, known only then.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from parcela.store.store import Stored
from parcela_gateway.download.ranges import CHUNK

DATE = (1980, 1, 1, 0, 0, 0)  # zip's first
Opener = Callable[[str], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True)
class Member:
    """A file of the archive: its name there, where it lies, and its SHA-256 (none of an older release's)."""

    name: str
    stored: Stored
    sha256: str | None = None


class Outlet(io.RawIOBase):
    """Where the archive is written to: gathers what has not been taken yet. Not seekable, as zipfile shall notice."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        part = bytes(data)
        self._written += part
        return len(part)

    def take(self) -> bytes:
        """What was written since it was last asked."""
        written, self._written = bytes(self._written), bytearray()
        return written


def archive_etag(members: Sequence[Member]) -> str:
    """Changes whenever a name or the bytes of a member do."""
    lines = "".join(f"{m.name}\0{m.stored.size}\0{m.stored.etag}\n" for m in members)
    return hashlib.sha256(lines.encode()).hexdigest()


def archive_size(members: Sequence[Member]) -> int:
    """Bytes of the archive, known before one is read: those of an archive of empty files, and the files'."""
    around = sum(len(part) for part in _written(members, lambda _: iter(())))
    return around + sum(member.stored.size for member in members)


def archive(members: Sequence[Member], opened: Opener, start: int, length: int) -> Iterator[bytes]:
    """``length`` bytes of the archive from ``start`` on. What comes before is read too: it goes into checksums."""

    def content(member: Member) -> Iterator[bytes]:
        with opened(member.stored.key) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    for part in _written(members, content):
        piece = part[start : start + length] if start < len(part) else b""
        start = max(0, start - len(part))
        length -= len(piece)
        if piece:
            yield piece
        if not length:
            return


def _written(
    members: Sequence[Member], content: Callable[[Member], Iterator[bytes]]
) -> Iterator[bytes]:
    outlet = Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as whole:
        for member in members:
            with whole.open(zipfile.ZipInfo(member.name, DATE), "w") as file:
                for chunk in content(member):
                    file.write(chunk)
                    yield outlet.take()
            yield outlet.take()
    yield outlet.take()
