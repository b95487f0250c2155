"""The way of an upload from the event loop to the thread that keeps it: a short pipe, so that memory stays flat."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import anyio
from anyio import from_thread, to_thread
from anyio.lowlevel import EventLoopToken, current_token
from anyio.streams.memory import MemoryObjectReceiveStream

from parcela.imaging.header import GIB
from parcela_gateway.problem import Refused
from parcela_gateway.upload.form import UploadCut
from parcela_gateway.upload.scrub import Flow

DEPTH = 16  # pieces under way, of 64 KiB each
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
    """The thread's end of the pipe."""

    def __init__(
        self, pieces: MemoryObjectReceiveStream[bytes], token: EventLoopToken, max_bytes: int
    ) -> None:
        self._pieces, self._token, self._max_bytes = pieces, token, max_bytes
        self._hash, self._size = hashlib.sha256(), 0
        self.broken = False  # set by the other end: what came is not all

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._next()) is not None:
            self._hash.update(piece)
            self._size += len(piece)
            if self._size > self._max_bytes:
                raise too_large(self._max_bytes)
            yield piece

    def _next(self) -> bytes | None:
        try:
            return from_thread.run(self._pieces.receive, token=self._token)
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            if self.broken:
                raise UploadCut("the upload broke off: send it again") from None
            return None

    def received(self) -> Received:
        """The hash and the size of what has come so far."""
        return Received(self._hash.hexdigest(), self._size)


def too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the file is over the limit of {max_bytes / GIB:.1f} GiB: crop or resample it")


async def pour(
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
        TooLarge: more came. And what ``pieces`` and ``keep`` raise; ``keep`` then sees its stream break off.
    """
    send, take = anyio.create_memory_object_stream[bytes](DEPTH)
    inlet = Inlet(take, current_token(), max_bytes)
    refusals: list[Exception] = []

    async def kept() -> None:
        try:
            await to_thread.run_sync(
                lambda: keep(io.BufferedReader(Flow(iter(inlet)), BUFFER)), limiter=threads
            )
        except Exception as error:  # noqa: BLE001 - raised again below, outside the group that would wrap it
            refusals.append(error)
        finally:
            take.close()

    async def sent() -> None:
        async for piece in pieces:
            await send.send(piece)

    async with anyio.create_task_group() as group:
        group.start_soon(kept)
        try:
            await sent()
        except anyio.BrokenResourceError:
            pass  # the thread has given up, and says why
        except Exception as error:  # noqa: BLE001 - as above
            inlet.broken = True
            refusals.insert(0, error)
        except BaseException:
            inlet.broken = True
            raise
        finally:
            send.close()
    if refusals:
        raise refusals[0]
    return inlet.received()
