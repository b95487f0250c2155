"""Progress on stderr: each step by name as it begins, with its seconds when it is done."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status

stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def warn(sentence: str) -> None:
    """What a user should know about a scan or its results, on stderr."""
    stderr.print(f"  [yellow]warning[/] {escape(sentence)}")


class Progress:
    """A context in which ``step(name)`` announces what is being done; the last step is closed on the way out."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._name: str | None = None
        self._begun = 0.0
        self._status: Status | None = None

    def __enter__(self) -> Progress:
        stderr.print(f"[bold]{escape(self.title)}[/]")
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
