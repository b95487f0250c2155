"""The store in a local folder: what ``parcela serve`` uses, and every test that needs no server.

A file is written under a temporary name in the same file system, flushed to the disk, then renamed. Temporary files
lie in ``.parts``; one that nobody has written to for an hour belongs to a process that died, and is swept.
"""

from __future__ import annotations

import io
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from parcela.store.store import CHUNK, NotStored, Stored, StoreUnavailable, checked, checked_prefix

PARTS = ".parts"  # no key begins with a dot
ABANDONED_S = 3600
SWEEP_EVERY_S = 600
MANY = 20  # times to make a folder that a deletion beside us keeps taking away


class FolderStore:
    """Files in a folder that this user owns, one per key, at the key's path.

    Raises:
        StoreUnavailable: the folder cannot be made or written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._parts = self.root / PARTS
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._parts.mkdir(exist_ok=True)
        except OSError as error:
            raise _refused(self.root, error) from error
        self._swept = 0.0
        self._sweep()

    def put(self, key: str, source: BinaryIO | bytes) -> Stored:
        path = self._path(key)
        self._sweep()
        part = self._parts / f"{secrets.token_hex(16)}.part"
        try:
            self._write(part, io.BytesIO(source) if isinstance(source, bytes) else source)
            with _refusals(path):
                status = part.stat()
                _move(part, path)
        finally:
            part.unlink(missing_ok=True)
        return _stored(key, status)

    def _write(self, part: Path, source: BinaryIO) -> None:
        with _refusals(part):
            file = part.open("xb")
        with file:
            while chunk := source.read(CHUNK):  # its errors are the caller's own
                with _refusals(part):
                    file.write(chunk)
            with _refusals(part):
                file.flush()
                os.fsync(file.fileno())

    @contextmanager
    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        path = self._path(key)
        try:
            with _refusals(path):
                file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotStored(f"{key} is not in the store") from error
        with file:
            file.seek(start)
            yield file if length is None else cast(BinaryIO, io.BufferedReader(Span(file, length)))

    def stat(self, key: str) -> Stored | None:
        path = self._path(key)
        with suppress(FileNotFoundError, NotADirectoryError), _refusals(path):
            return _stored(key, path.stat()) if path.is_file() else None
        return None

    def list(self, prefix: str = "") -> Iterator[Stored]:
        prefix = checked_prefix(prefix)
        self._sweep()
        listed = []
        for path in _files(self.root / prefix):
            key = path.relative_to(self.root).as_posix()
            with suppress(FileNotFoundError):  # deleted meanwhile
                if not key.startswith(f"{PARTS}/"):
                    listed.append(_stored(key, path.stat()))
        yield from sorted(listed, key=lambda stored: stored.key)

    def delete(self, key: str) -> int:
        path = self._path(checked_prefix(key))
        erased = 0
        with _refusals(path):
            for file in (path, *_files(path)):
                with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    if not file.is_dir():
                        file.unlink()
                        erased += 1
            self._prune(path)
        return erased

    def _prune(self, path: Path) -> None:
        """Remove the folders that a deletion emptied, below and above."""
        below = [Path(folder) for folder, _, _ in os.walk(path, topdown=False)]
        for folder in (*below, *path.parents):
            if folder == self.root:
                break
            with suppress(OSError):  # not empty, or gone
                folder.rmdir()
        for folder in path.parents:
            if folder.is_dir():
                _flush(folder)
                return

    def _path(self, key: str) -> Path:
        return self.root / checked(key)

    def _sweep(self) -> None:
        """Now and then: temporary files that nobody writes to any more."""
        now = time.time()
        if now - self._swept < SWEEP_EVERY_S:
            return
        self._swept = now
        for part in self._parts.glob("*.part"):
            with suppress(FileNotFoundError):
                if now - part.stat().st_mtime > ABANDONED_S:
                    part.unlink()


class Span(io.RawIOBase):
    """The next ``length`` bytes of a file."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        chunk = self._file.read(min(len(buffer), self._left))
        self._left -= len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _move(part: Path, path: Path) -> None:
    """Give a finished file its name, for good: a deletion beside us may take the folder away in between."""
    for _ in range(MANY):
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)
            _flush(path.parent)
            return
    raise StoreUnavailable(f"{path.parent} is being deleted: try again")


def _flush(folder: Path) -> None:
    """A rename or a deletion survives a power cut only when its folder is flushed, too."""
    with suppress(FileNotFoundError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _files(folder: Path) -> list[Path]:
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names]


def _stored(key: str, status: os.stat_result) -> Stored:
    """A file is never written to once it has its name, so its inode and time stand for its bytes."""
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return Stored(key, status.st_size, etag, status.st_mtime)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What the file system refuses is an unavailable store; that something is not there is for the caller."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"{path} cannot be used ({error.strerror or error}): check the disk and the permissions"
    )
