"""Child processes that come back when they die, and that never outlive the one who started them.

circus, supervisor and honcho were looked at: none ends its children when it is killed itself, and none is typed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from parcela.processes.lifeline import Lifeline, kill_group

SHORTEST_S, LONGEST_S = 0.5, 30.0
WELL_S = 60.0  # one that lived so long has recovered
GRACE_S = 12.0
LOG_BYTES = 10 * 1024**2


@dataclass(frozen=True)
class Part:
    """One process of the stack.

    Attributes:
        name: also that of its log.
        command: how it is started.
        environment: in addition to our own.
        folder: a temporary one, erased when we are killed and cannot do it ourselves.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass
class _Kept:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    lifeline: Lifeline | None = None
    begun: float = 0.0
    pause_s: float = SHORTEST_S
    due: float = 0.0
    deaths: int = 0


class Supervisor:
    """Keeps its parts running: ``tend`` must be called now and then, from one thread."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        """A supervisor without parts yet.

        Args:
            logs: a folder for what each part prints, ``<name>.log``; the one before is ``<name>.log.1``.
            say: told, in a sentence, whenever a part has died.
        """
        self._logs = logs
        self._say = say
        self._kept: dict[str, _Kept] = {}

    def start(self, part: Part) -> None:
        """Start a part and keep it running."""
        self._kept[part.name] = kept = _Kept(part)
        self._spawn(kept)

    def tend(self) -> None:
        """Start again what has died, each after a pause that doubles while it keeps dying."""
        now = time.monotonic()
        for kept in self._kept.values():
            if kept.process is not None and (code := kept.process.poll()) is not None:
                self._bury(kept)
                lived = now - kept.begun
                kept.pause_s = SHORTEST_S if lived > WELL_S else kept.pause_s
                kept.due = now + kept.pause_s
                kept.deaths += 1
                self._say(f"{kept.part.name} {_ended(code)}: started again in {kept.pause_s:g} s")
                kept.pause_s = min(2 * kept.pause_s, LONGEST_S)
            if kept.process is None and now >= kept.due:
                self._spawn(kept)

    def deaths(self) -> dict[str, int]:
        """How often each part has died."""
        return {name: kept.deaths for name, kept in self._kept.items()}

    def last_line(self, name: str) -> str:
        """The last line that a part has printed; empty where it never has."""
        try:
            lines = self._log(name).read_text(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def stop(self, names: Iterable[str]) -> None:
        """Ask these parts to leave, all at once; what has not left in time is killed with all its group."""
        chosen = [self._kept.pop(name) for name in names if name in self._kept]
        living = [kept for kept in chosen if kept.process is not None]
        for kept in living:
            with suppress(ProcessLookupError):
                assert kept.process is not None
                kept.process.terminate()
        deadline = time.monotonic() + GRACE_S
        for kept in living:
            with suppress(subprocess.TimeoutExpired):
                assert kept.process is not None
                kept.process.wait(max(0.0, deadline - time.monotonic()))
            self._bury(kept)

    def stop_all(self) -> None:
        """Stop every part, the one started first (on which the others lean) last."""
        first, *others = list(self._kept) or [""]
        self.stop(others)
        self.stop([first])

    def _spawn(self, kept: _Kept) -> None:
        with self._fresh_log(kept.part.name) as log:
            kept.process = subprocess.Popen(
                kept.part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **kept.part.environment},
                start_new_session=True,
            )
        kept.lifeline = Lifeline(kept.process.pid, kept.part.folder)
        kept.begun = time.monotonic()

    def _bury(self, kept: _Kept) -> None:
        """End what a part may have left in its group."""
        assert kept.process is not None
        kill_group(kept.process)
        if kept.lifeline is not None:
            kept.lifeline.close()
        kept.process = kept.lifeline = None

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _fresh_log(self, name: str) -> BinaryIO:
        path = self._log(name)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"left with code {code}"
