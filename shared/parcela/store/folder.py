"""The store in a local folder: what ``parcela serve`` uses, and every test that needs no server.

A file is written under a temporary name in the same file system, flushed to the disk, then renamed. Temporary files
lie in ``.parts``; one that nobody has written to for an hour belongs to a process that died, and is swept.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
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
        with self._written(source) as part, _refusals(path):
            status = part.stat()
            _named(path, lambda: part.replace(path))
        return _stored(key, status)

    def create(self, key: str, content: bytes) -> bool:
        path = self._path(key)
        with self._written(content) as part, _refusals(path):
            try:
                _named(path, lambda: path.hardlink_to(part))
            except FileExistsError:
                return False
        return True

    @contextmanager
    def _written(self, source: BinaryIO | bytes) -> Iterator[Path]:
        """A temporary file that holds all of a source, on the disk; whatever is left of it at the end goes."""
        self._sweep()
        part = self._parts / f"{secrets.token_hex(16)}.part"
        try:
            _write(part, io.BytesIO(source) if isinstance(source, bytes) else source)
            yield part
        finally:
            with suppress(OSError):  # a disk that refuses even this: it is swept later
                part.unlink(missing_ok=True)

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

    def free_bytes(self) -> int | None:
        with _refusals(self.root):
            return shutil.disk_usage(self.root).free

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
            with suppress(OSError):  # gone, or the disk refuses
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


def _write(part: Path, source: BinaryIO) -> None:
    with _refusals(part):
        file = part.open(
            "xb", buffering=0
        )  # so that closing it writes nothing more, and cannot fail
    with file:
        while chunk := source.read(CHUNK):  # its errors are the caller's own
            left = memoryview(chunk)
            with _refusals(part):
                while left:
                    left = left[file.write(left) :]
        with _refusals(part):
            os.fsync(file.fileno())


def _named(path: Path, give_name: Callable[[], object]) -> None:
    """Give a finished file its name, for good: a deletion beside us may take the folder away in between.

    Raises:
        FileExistsError: the name is taken, and is not to be taken over.
    """
    for _ in range(MANY):
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            give_name()
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
    return [Path(at) / name for at, _, names in os.walk(folder, onerror=_unseen) for name in names]


def _unseen(error: OSError) -> None:
    """A folder that is gone has no files; one that cannot be read may have: its jobs must not be taken for lost."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise _refused(Path(error.filename), error) from error


def _stored(key: str, status: os.stat_result) -> Stored:
    """A file is never written to once it has its name, so its inode and time stand for its bytes."""
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return Stored(key, status.st_size, etag, status.st_mtime)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What the file system refuses is an unavailable store; that something is there, or not, is for the caller."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, FileExistsError):
        raise
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"{path} cannot be used ({error.strerror or error}): check the disk and the permissions"
    )
