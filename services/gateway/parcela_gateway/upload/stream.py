"""An upload as the thread that keeps it reads it: the thread pulls each piece, so that memory stays flat."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import anyio
from anyio import from_thread, to_thread

from parcela.settings import GIB
from parcela_gateway.problem import Refused
from parcela_gateway.upload.scrub import Flow

BUFFER = 1024**2


class TooLarge(Refused):
    """The file is over the limit of bytes."""

    status = 413
    slug = "too-large"


@dataclass(frozen=True)
class Received:
    """What came in: SHA-256 and number of the bytes, as they were sent."""

    sha256: str
    size: int


class Inlet:
    """The pieces of an upload, asked for from a worker thread of the event loop on which they come, and counted."""

    def __init__(self, pieces: AsyncIterator[bytes], max_bytes: int) -> None:
        self._pieces, self._max_bytes = pieces, max_bytes
        self._hash, self._size = hashlib.sha256(), 0

    def __iter__(self) -> Iterator[bytes]:
        while (piece := from_thread.run(self._next)) is not None:
            self._hash.update(piece)
            self._size += len(piece)
            if self._size > self._max_bytes:
                raise too_large(self._max_bytes)
            yield piece

    async def _next(self) -> bytes | None:
        return await anext(self._pieces, None)

    def received(self) -> Received:
        """The hash and the size of what has come so far."""
        return Received(self._hash.hexdigest(), self._size)


def too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the file is over the limit of {max_bytes / GIB:.1f} GiB: crop or resample it")


async def receive(
    pieces: AsyncIterator[bytes],
    keep: Callable[[io.BufferedReader], object],
    *,
    max_bytes: int,
    threads: anyio.CapacityLimiter,
) -> Received:
    """Let a thread ``keep`` what comes in, at the pace of the slower of the two.

    Args:
        pieces: the file, as it comes.
        keep: reads the stream it is given to its end; whatever it raises is raised here.
        max_bytes: the most that may come.
        threads: how many uploads may be kept at a time; more wait here.

    Raises:
        TooLarge: more came. And what ``pieces`` raises, in the midst of ``keep``'s reading, and what ``keep`` raises.
    """
    inlet = Inlet(pieces, max_bytes)

    def keep_all() -> None:
        rest = iter(inlet)
        keep(io.BufferedReader(Flow(rest), BUFFER))
        for _ in rest:  # the upload is whole only when its form has ended
            pass

    await to_thread.run_sync(keep_all, limiter=threads)
    return inlet.received()
