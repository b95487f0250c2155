"""Child processes that come back when they die, and that never outlive the one who started them.

circus, supervisor and honcho were looked at: none ends its children when it is killed itself, and none is typed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parcela.processes.child import Child, how_it_ended

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
class _Running:
    part: Part
    child: Child | None = None
    started: float = 0.0
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
        self._running: dict[str, _Running] = {}

    def start(self, part: Part) -> None:
        """Start a part and keep it running."""
        self._running[part.name] = running = _Running(part)
        self._spawn(running)

    def tend(self) -> None:
        """Start again what has died, each after a pause that doubles while it keeps dying."""
        now = time.monotonic()
        for running in self._running.values():
            self._turn_over(running.part.name)
            if running.child is not None and (code := running.child.code) is not None:
                running.child.kill()  # what it may have left in its group
                running.child = None
                how = how_it_ended(code, "was ended by {}")
                lived = now - running.started
                running.pause_s = SHORTEST_S if lived > WELL_S else running.pause_s
                running.due = now + running.pause_s
                running.deaths += 1
                self._say(f"{running.part.name} {how}: started again in {running.pause_s:g} s")
                running.pause_s = min(2 * running.pause_s, LONGEST_S)
            if running.child is None and now >= running.due:
                self._spawn(running)

    def deaths(self) -> dict[str, int]:
        """How often each part has died."""
        return {name: running.deaths for name, running in self._running.items()}

    def last_line(self, name: str) -> str:
        """The last line that a part has printed; empty where it never has."""
        try:
            lines = self._log(name).read_text(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def stop(self, names: Iterable[str]) -> None:
        """Ask these parts to leave, all at once; what has not left in time is killed with all its group."""
        chosen = [self._running.pop(name) for name in names if name in self._running]
        children = [running.child for running in chosen if running.child is not None]
        for child in children:
            child.ask_to_leave()
        deadline = time.monotonic() + GRACE_S
        for child in children:
            child.wait(deadline - time.monotonic())
            child.kill()

    def stop_all(self) -> None:
        """Stop every part, the one started first (on which the others lean) last."""
        first, *others = list(self._running) or [""]
        self.stop(others)
        self.stop([first])

    def _spawn(self, running: _Running) -> None:
        self._turn_over(running.part.name)
        with self._log(running.part.name).open("ab") as log:
            running.child = Child(
                running.part.command,
                environment=running.part.environment,
                folder=running.part.folder,
                stdout=log,
                stderr=log,
            )
        running.started = time.monotonic()

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _turn_over(self, name: str) -> None:
        """Empty a log that has grown long, after a copy: its part goes on writing to the same file, at its end."""
        log = self._log(name)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
