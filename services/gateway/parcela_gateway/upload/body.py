"""The body of an upload, from a sender who keeps up: a least rate, a longest silence, and an end in time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import anyio
from starlette.requests import Request

from parcela.settings import Settings
from parcela_gateway.budgets.places import RETRY_S, TooBusy
from parcela_gateway.problem import Refused

SILENCE_S = 60  # an upload that says nothing for so long is given up
GRACE_S = 20  # until the rate counts
GRACE_WHILE_OTHERS_WAIT_S = 1
READY_BYTES = 64 * 1024  # with so much, or with all, an upload shows that it deserves a place
LOOK_S = 1.0


class UploadStalled(Refused):
    """The client stopped sending, or nearly so, and stayed."""

    status = 408
    slug = "upload-stalled"


class UploadCut(Refused):
    """The client went away before the end."""

    slug = "upload-cut"


class UploadBody:
    """The bytes of a request's body as they come.

    Time counts while we wait for the sender, not while the sender waits for us.

    Args:
        request: whose body it is; nobody else may read it.
        settings: the least rate, and the longest time.
        wanted: whether others wait for the place that this upload holds.
    """

    def __init__(self, request: Request, settings: Settings, wanted: Callable[[], bool]) -> None:
        self._request, self._wanted = request, wanted
        self._rate, self._timeout_s = settings.upload_rate, settings.upload_timeout_s
        self._first: list[bytes] = []
        self._waited_s, self._size, self._ended = 0.0, 0, False

    async def begin(self) -> None:
        """Wait for the first bytes, which need no place. Raises as `chunks`."""
        while self._size < READY_BYTES and (first := await self._next()) is not None:
            self._first.append(first)

    async def chunks(self) -> AsyncIterator[bytes]:
        """All of them.

        Raises:
            UploadStalled, UploadCut: the sender stopped, or is too slow. TooBusy: it is, and others wait for its place.
        """
        for first in self._first:
            yield first
        self._first.clear()
        while (chunk := await self._next()) is not None:
            yield chunk

    async def _next(self) -> bytes | None:
        """What comes next; None at the end."""
        silent_s = 0.0
        while not self._ended:
            self._check(silent_s)
            message, begun = None, time.monotonic()
            with anyio.move_on_after(LOOK_S):
                message = await self._request.receive()
            self._waited_s += (waited_s := time.monotonic() - begun)
            silent_s += waited_s
            if message is None:
                continue
            if message["type"] == "http.disconnect":
                raise UploadCut("the upload broke off: send it again")
            self._ended = not message.get("more_body", False)
            chunk: bytes = message.get("body", b"")
            self._size += len(chunk)
            if chunk:
                return chunk
        return None

    def _check(self, silent_s: float) -> None:
        if silent_s > SILENCE_S:
            raise _stalled(f"nothing came for {SILENCE_S} s: send it again")
        if self._waited_s > self._timeout_s:
            raise _stalled(f"the upload took more than {self._timeout_s:g} s: send it again")
        late_s = self._waited_s - self._size / self._rate
        if late_s > GRACE_S:
            raise _stalled(
                f"fewer than {self._rate} bytes came a second: send it again over a better line"
            )
        if late_s > GRACE_WHILE_OTHERS_WAIT_S and self._wanted():
            raise TooBusy(
                f"fewer than {self._rate} bytes came a second, and others wait: send it again later",
                headers={"Retry-After": str(RETRY_S)},
            )


def _stalled(reason: str) -> UploadStalled:
    return UploadStalled(reason, headers={"Retry-After": str(RETRY_S)})
