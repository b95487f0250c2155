"""The folder of one ``parcela serve``: what lies in it, who holds it, and where its server answers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from parcela.errors import BadRequest
from parcela.files import write_text


@dataclass(frozen=True)
class Running:
    """What a running ``parcela serve`` says of itself."""

    url: str
    pid: int
    socket: str


class DataFolder:
    """``store/`` (jobs' files), ``redis/`` (the ledger), ``logs/``, ``work/``, a lock, and a note of who runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store, self.redis, self.logs = root / "store", root / "redis", root / "logs"
        self.work = root / "work"  # what stages write in between; a power cut leaves it there
        self._note = root / "running.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder, made if need be, for one process alone.

        Raises:
            BadRequest: another holds it, or it cannot be written to.
        """
        try:
            for folder in (self.root, self.store, self.redis, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self.root / "lock")
            lock.acquire(timeout=0)
        except Timeout:
            raise BadRequest(self._refusal()) from None
        except OSError as error:
            raise BadRequest(
                f"--data {self.root}: cannot be used ({error.strerror or error}): give another folder"
            ) from error
        try:
            yield
        finally:
            self._note.unlink(missing_ok=True)
            lock.release()

    def sweep(self) -> None:
        """Erase what the workers of an earlier start left in the midst of a scan; none of them may run any more."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(mode=0o700, exist_ok=True)

    def running(self) -> Running | None:
        """The note of the one that runs here, or that was killed here; None where neither is so."""
        try:
            return Running(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def announce(self, url: str, socket: Path) -> None:
        """Leave a note for the commands that look for the server, and for the next start."""
        write_text(self._note, json.dumps(asdict(Running(url, os.getpid(), str(socket)))) + "\n")

    def _refusal(self) -> str:
        other = self.running()
        where = f" (process {other.pid}, {other.url})" if other else ""
        return f"--data {self.root}: another parcela serve{where} uses this folder: stop it, or give another folder"


def default_root() -> Path:
    """Where data lie unless ``--data`` says otherwise: the platform's place for a user's data."""
    return user_data_path("parcela", appauthor=False)
