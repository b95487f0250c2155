"""The seconds of each step of a computation, which is announced as it begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnStep = Callable[[str], None]


class Stopwatch:
    """A stopwatch that times a scan's steps by their names.

    Attributes:
        seconds: wall-clock seconds of each finished step, in the order of the steps.
    """

    def __init__(self, on_step: OnStep | None = None) -> None:
        """``on_step`` is called with each step's name as it begins."""
        self.seconds: dict[str, float] = {}
        self._on_step = on_step

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A block that is one step; one that raises is not recorded."""
        if self._on_step is not None:
            self._on_step(name)
        start_s = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start_s, 3)
