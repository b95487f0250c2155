"""What a command says: steps and warnings on stderr as they come, the result of each scan on stdout."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from parcela.files import printable


class Stderr(Console):
    """Standard error, where nothing that is said is a result: that nobody reads it any more is no failure."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, soft_wrap=True, emoji=False)

    def print(self, *objects: Any, **style: Any) -> None:
        with lost_reader(sys.stderr):
            super().print(*objects, **style)

    def on_broken_pipe(self) -> None:
        """Go on without; Rich would end the process."""
        mute(sys.stderr)


stderr = Stderr()


def say(sentence: str) -> None:
    """One line of the command's own, on stderr."""
    stderr.print(printable(f"parcela: {sentence}"), markup=False)


def warn(sentence: str) -> None:
    """What a user should know about a scan or its results, on stderr."""
    stderr.print(f"  [yellow]warning[/] {escape(printable(sentence))}")


def tell(*cells: str) -> None:
    """The line of a scan whose results are complete, on stdout: who closed that has the results all the same."""
    with lost_reader(sys.stdout):
        print("\t".join(map(printable, cells)), flush=True)


@contextmanager
def lost_reader(stream: TextIO) -> Iterator[None]:
    """A block that writes to a stream: when that takes no more, the rest goes nowhere."""
    try:
        yield
    except OSError:
        mute(stream)


def mute(stream: TextIO) -> None:
    """Send what a stream still holds, and all that comes, nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Progress:
    """A context in which ``step(name)`` announces what is being done; the last step is closed on the way out."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._name: str | None = None
        self._begun = 0.0
        self._status: Status | None = None

    def __enter__(self) -> Progress:
        stderr.print(f"[bold]{escape(printable(self.title))}[/]")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close(done=error is None)

    def step(self, name: str) -> None:
        """The step before is done, this one begins."""
        self._close(done=True)
        self._name, self._begun = name, time.perf_counter()
        if stderr.is_terminal:
            self._status = stderr.status(f"{name} …")
            self._status.start()

    def share(self, done: float) -> None:
        """How much of the whole is done, from 0 to 1: shown beside the step that runs."""
        if self._status is not None:
            self._status.update(f"{self._name} … {done:.0%}")

    def _close(self, *, done: bool) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._name is not None:
            seconds = time.perf_counter() - self._begun
            stderr.print(f"  {self._name:<22}{seconds:7.1f} s{'' if done else '  failed'}")
            self._name = None


@dataclass(frozen=True)
class Result:
    """What one scan gave.

    Attributes:
        cells: of the result line; the first is the label map's path.
        warnings: what a user should know, one sentence each.
    """

    cells: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        path: Path,
        regions: Iterable[tuple[int, float]],
        seconds: Iterable[float],
        *,
        remarks: Iterable[str] = (),
        warnings: tuple[str, ...] = (),
    ) -> Result:
        """The result line: path, regions that have a voxel, their volume, seconds, and what else there is to say.

        Args:
            path: of the label map.
            regions: voxels and volume in mm³ of each of the 116.
            seconds: of each step.
            remarks: what else the line should say.
            warnings: see above.
        """
        voxels, volumes_mm3 = zip(*regions, strict=True)
        present = sum(count > 0 for count in voxels)
        cells = (
            str(path),
            f"{present}/116 regions",
            f"{sum(volumes_mm3) / 1000:.0f} ml",
            f"{sum(seconds):.1f} s",
            *remarks,
        )
        return cls(cells, warnings)

    def print(self) -> None:
        """The warnings on stderr, then the result line, its cells separated by tabs, on stdout."""
        for warning in self.warnings:
            warn(warning)
        tell(*self.cells)
