"""A child process in a session of its own, with limits, which ends with all its group and never outlives its starter.

A watcher process holds the reading end of a pipe whose writing end the starter alone has: it reads to the end, which
comes when the starter dies, however it does, and then kills the child's group and erases its folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import psutil

from parcela.errors import LimitExceeded

LOOK_S = 0.5  # between two looks at memory: each reads every process of the machine, 5 ms

# What the child's own children still write may refill the folder for a moment: their lifelines end them, too.
WATCHER = """
import os, signal, sys
sys.stdin.buffer.read()
try:
    os.killpg(int(sys.argv[1]), signal.SIGKILL)
except (ProcessLookupError, PermissionError):
    pass
for folder in sys.argv[2:]:
    import shutil, time
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)
        if not os.path.lexists(folder):
            break
"""


class Child:
    """A child that leads its own session, tied to us by a lifeline.

    Args:
        command: how it is started.
        environment: in addition to our own.
        folder: its private folder, which the lifeline erases when we die and cannot do it ourselves.
        stdin, stdout, stderr: as `subprocess.Popen` takes them; by default it reads nothing.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        self._lifeline = Lifeline(self.process.pid, folder)
        self._looked, self._resident_mb = -LOOK_S, 0.0

    @property
    def pid(self) -> int:
        """The number of its process, and of its group."""
        return self.process.pid

    @property
    def code(self) -> int | None:
        """How it ended, as `subprocess` says it; None while it lives."""
        return self.process.poll()

    def resident_mb(self) -> float:
        """Resident memory of it and of everything below it, in MB, at most ``LOOK_S`` old; 0 once it is gone."""
        now = time.monotonic()
        if now - self._looked > LOOK_S or self.code is not None:
            self._looked, self._resident_mb = now, self._look()
        return self._resident_mb

    def _look(self) -> float:
        total = 0
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.pid)
            for process in (parent, *parent.children(recursive=True)):
                total += process.memory_info().rss
        return total / 1e6

    def ask_to_leave(self) -> None:
        """SIGTERM, to it alone."""
        with suppress(ProcessLookupError):
            self.process.terminate()

    def wait(self, limit_s: float) -> None:
        """Wait until it has ended, but not longer than this."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, limit_s))

    def kill(self) -> None:
        """End it with everything in its group, and the lifeline after it."""
        kill_group(self.process)
        self._lifeline.close()


class Lifeline:
    """Watches one process group until it is closed.

    Args:
        group: the group's number, which is that of the process started with ``start_new_session``.
        folder: its private folder, which nobody else would erase.
    """

    def __init__(self, group: int, folder: Path | None = None) -> None:
        folders = [] if folder is None else [str(folder)]
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WATCHER, str(group), *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # or it would be killed with a group that it is not watching
        )

    def close(self) -> None:
        """The group has ended: watch no longer (its number may soon be another's)."""
        self._watcher.kill()
        self._watcher.wait()
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()


@dataclass(frozen=True)
class Limits:
    """How long a child may take for its task, and how much memory. ``setting`` begins the names of their settings."""

    setting: Literal["PARCELA_STEP", "PARCELA_JOB", "PARCELA_DICOM"]
    timeout_s: float
    memory_mb: int

    def passed(self, task: str, elapsed_s: float, resident_mb: float) -> LimitExceeded | None:
        """The limit that a task has gone over, if any."""
        if elapsed_s > self.timeout_s:
            return LimitExceeded(
                f"{task} did not finish in {self.timeout_s:g} s ({self.setting}_TIMEOUT_S)"
            )
        if resident_mb > self.memory_mb:
            return LimitExceeded(
                f"{task} took more than {self.memory_mb} MB ({self.setting}_MEMORY_MB)"
            )
        return None


def kill_group(leader: subprocess.Popen[bytes]) -> None:
    """End a process that leads its own session, with everything in its group, and wait for it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()


def how_it_ended(code: int, by_signal: str = "crashed ({})") -> str:
    """The rest of a sentence that begins with the child's name; ``by_signal`` has a place for the signal's."""
    return by_signal.format(signal.Signals(-code).name) if code < 0 else f"left with code {code}"
