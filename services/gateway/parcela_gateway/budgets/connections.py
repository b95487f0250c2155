"""Connections that nobody holds for nothing: a time for each request's head, and a most of them.

uvicorn closes a connection that is silent after a request. It waits for ever for the first head, for one that comes a
byte at a time, and for a caller who reads no answer; and once no descriptor is left, asyncio logs that without a pause.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections import Counter
from functools import partial
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from parcela.settings import Settings
from parcela_gateway.problem import Refused, problem_response

UNREAD_S = 60  # an answer that its caller does not take for so long is given up
BACKLOG = 2048  # connections that may wait in the kernel
AT_ONCE = 16  # connections that asyncio accepts in one turn of its loop; it is some turns until one can be closed
# Descriptors for those, for files of the store and for connections to Redis
SPARE = 6 * AT_ONCE + 96
RETRY_S = 5

log = logging.getLogger("parcela.gateway")


class SlowHead(Refused):
    """The head of the request did not come in time."""

    status = 408
    slug = "slow-head"


class BadHead(Refused):
    """What came is no HTTP."""

    slug = "bad-http"


class TooManyConnections(Refused):
    """Every connection that this gateway allows is in use."""

    status = 503
    slug = "too-many-connections"


def server_config(app: ASGIApp, settings: Settings, **others: Any) -> uvicorn.Config:
    """How uvicorn serves the gateway: its log is ours, and its connections have limits.

    Args:
        app: the whole application.
        settings: where to listen, how many connections, how long a head may take.
        others: as `uvicorn.Config` takes them.
    """
    most = most_connections(settings.connections)
    connection = partial(GuardedConnection, most=most, head_s=settings.head_timeout_s)
    given: dict[str, Any] = {"host": settings.host, "port": settings.port, "log_config": None}
    given |= {"access_log": False, "proxy_headers": False, "server_header": False}
    given |= {"http": connection, "ws": "none", "backlog": AT_ONCE}
    return uvicorn.Config(cast(Any, app), **given | others)


def most_connections(wanted: int) -> int:
    """As many connections as wanted, or as the descriptors allow that this process can get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted + SPARE
    if soft < enough and soft != resource.RLIM_INFINITY:
        soft = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < enough:
            log.warning("%d descriptors allow %d connections, not %d", soft, soft - SPARE, wanted)
            return max(1, soft - SPARE)
    return wanted


class GatewayServer(uvicorn.Server):
    """uvicorn with one backlog for the kernel and another for asyncio, which else accepts as many at once."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in (place for server in self.servers for place in server.sockets):
            with socket.fromfd(listener.fileno(), listener.family, listener.type) as same:
                same.listen(BACKLOG)


class GuardedConnection(H11Protocol):
    """One connection: uvicorn's, with deadlines, and with problem documents for what uvicorn refuses itself.

    When there are too many, one that waits for a head gives way, the first head before another: the oldest of the
    address that has most of them. Where none waits, the newcomer is refused.
    """

    def __init__(self, *arguments: Any, most: int, head_s: float, **others: Any) -> None:
        super().__init__(*arguments, **others)
        self._most, self._head_s = most, head_s
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    @property
    def asked(self) -> bool:
        """Whether a request has come."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None

    @property
    def waits(self) -> bool:
        """Whether the next request's head has not come yet."""
        return not self.asked or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()
        if len(self.connections) > self._most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if not self.waits and self._deadline is not None:
            self._deadline.cancel()

    def on_response_complete(self) -> None:
        self._expect_head()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadHead(f"{msg} Send HTTP/1.1."))

    def _expect_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self._head_s, self._too_slow)

    def _too_slow(self) -> None:
        begun = self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]
        if begun and self.conn.our_state is h11.IDLE:
            reason = f"the request's head did not come within {self._head_s:g} s"
            self._refuse(SlowHead(reason, headers={"Retry-After": str(RETRY_S)}))
        else:
            self.transport.close()

    def _make_room(self) -> None:
        others = cast("set[GuardedConnection]", self.connections - {self})
        idle = [c for c in others if c.waits and not c.transport.is_closing()]
        waiting = [c for c in idle if not c.asked] or idle  # who has asked before may ask again
        if waiting:
            held = Counter(c.client and c.client[0] for c in waiting)
            (greedy, _), *_ = held.most_common(1)
            of_one = [c for c in waiting if (c.client and c.client[0]) == greedy]
            min(of_one, key=GuardedConnection.age_of).transport.close()
        elif len(self.connections) > self._most + 2 * AT_ONCE:
            self.transport.abort()
        else:
            self.app = cast(Any, _too_many)

    def age_of(self) -> float:
        """When its head was first waited for, by the event loop's clock."""
        return self._deadline.when() if self._deadline is not None else 0.0

    def _refuse(self, error: Refused) -> None:
        """Answer outside of any application, and close."""
        answer = problem_response(error, headers=error.headers | {"Connection": "close"})
        head = h11.Response(status_code=answer.status_code, headers=answer.raw_headers)
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    error = TooManyConnections("all connections are in use: come again later")
    headers = {"Retry-After": str(RETRY_S), "Connection": "close"}
    await problem_response(error, headers=headers)(scope, receive, send)
