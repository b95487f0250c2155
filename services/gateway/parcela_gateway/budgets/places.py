"""Places that callers share, each of whom may have some: for uploads they are waited for, for listeners not."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from parcela_gateway.problem import Refused

WAIT_S = 4.0  # for a place; then the caller is told to come again
RETRY_S = 10


class TooBusy(Refused):
    """No place is free, and none has become so in some seconds."""

    status = 503
    slug = "too-busy"


class TooManyListeners(Refused):
    """The caller follows as many streams of events as one may."""

    status = 429
    slug = "too-many-listeners"


class Places:
    """So many places, of which one caller may have so many; of those who wait, who has fewest comes first.

    Args:
        total: places.
        each: that one caller may have.
    """

    def __init__(self, total: int, each: int) -> None:
        self._free, self._each = total, each
        self._held: Counter[str] = Counter()
        self._waiting: list[tuple[str, anyio.Event]] = []

    @property
    def wanted(self) -> bool:
        """Whether somebody waits who would get the next place that is given back."""
        return any(self._held[caller] < self._each for caller, _ in self._waiting)

    @asynccontextmanager
    async def one(self, caller: str) -> AsyncIterator[None]:
        """A place for a block of the caller's. Raises TooBusy: none was free for some seconds."""
        await self._get(caller)
        try:
            yield
        finally:
            self._free += 1
            release(self._held, caller)
            self._hand_on()

    async def _get(self, caller: str) -> None:
        mine = (caller, anyio.Event())
        self._waiting.append(mine)
        self._hand_on()
        try:
            with anyio.move_on_after(WAIT_S):
                await mine[1].wait()
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)
        if not mine[1].is_set():
            raise TooBusy(
                "too many uploads are under way: send it again later",
                headers={"Retry-After": str(RETRY_S)},
            )

    def _hand_on(self) -> None:
        """Give free places to those who wait."""
        while self._free:
            may = [mine for mine in self._waiting if self._held[mine[0]] < self._each]
            if not may:
                return
            caller, event = first = min(may, key=lambda mine: self._held[mine[0]])
            self._waiting.remove(first)
            self._free -= 1
            self._held[caller] += 1
            event.set()


class Listeners:
    """How many streams of events each caller follows, at most ``each``."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._held: Counter[str] = Counter()

    @contextmanager
    def one(self, caller: str) -> Iterator[None]:
        """A stream of the caller's. Raises TooManyListeners."""
        if self._held[caller] >= self._each:
            raise TooManyListeners(
                f"you follow {self._each} streams of events already: end one of them (/events has all your jobs)",
                headers={"Retry-After": str(RETRY_S)},
            )
        with counted(self._held, caller):
            yield


@contextmanager
def counted(held: Counter[str], name: str) -> Iterator[None]:
    """A block in which somebody counts once more; names that nobody holds are forgotten."""
    held[name] += 1
    try:
        yield
    finally:
        release(held, name)


def release(held: Counter[str], name: str) -> None:
    """Somebody counts once less."""
    held[name] -= 1
    if not held[name]:
        del held[name]
