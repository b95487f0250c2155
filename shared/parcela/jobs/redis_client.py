"""The one way that Parcela talks to Redis, and what it says when Redis is away."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis import ConnectionPool, Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import MasterDownError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as TooLate
from redis.retry import Retry

from parcela.errors import Unavailable

ANSWER_S = 4  # longer than Redis takes while it lives
PROBE_S = 0.1  # for a Redis that was found away: whoever asks now and then waits so long, everyone else not at all
# What Redis says when its disk is full, its memory, its replicas gone; within a script it comes with words around it.
REFUSAL = re.compile(r"\b(MISCONF|NOREPLICAS|LOADING|MASTERDOWN|READONLY|OOM)\b")


class LedgerUnavailable(Unavailable):
    """Redis does not answer, or takes no more writes."""

    slug = "ledger-unavailable"


def connect(redis_url: str, *, hurried: bool = False) -> Redis:
    """A client that repeats a request whose reply was lost, for some seconds (a restart of Redis).

    Args:
        hurried: somebody waits for the answer: a Redis that is there and says nothing is asked once.
    """
    again = (NotConnected,) if hurried else (NotConnected, TooLate)
    return Redis.from_url(
        redis_url,
        decode_responses=True,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), 7, supported_errors=again),
        socket_timeout=ANSWER_S,
        socket_connect_timeout=ANSWER_S,
    )


@contextmanager
def reported() -> Iterator[None]:
    """Turn what redis-py raises when Redis is away, or refuses to write, into `LedgerUnavailable`."""
    try:
        yield
    except (NotConnected, TooLate) as error:
        raise LedgerUnavailable(
            f"the ledger does not answer ({error}): see that Redis runs, and that PARCELA_REDIS names it"
        ) from error
    except ResponseError as error:
        refused = isinstance(error, ReadOnlyError | OutOfMemoryError | MasterDownError)
        if not refused and not REFUSAL.search(str(error)):
            raise
        raise LedgerUnavailable(
            f"the ledger takes no writes ({error}): see to the disk, the memory and the log of Redis"
        ) from error


class Breaker:
    """Spares callers who wait for an answer a Redis that has just given none.

    After one question without an answer the others are refused at once, but for one at a time that asks whether Redis
    is back. So a frozen Redis costs the first callers some seconds, and no thread after that.

    Args:
        redis: what is asked whether it is back; its own limits of time do not count.
    """

    def __init__(self, redis: Redis) -> None:
        pool = redis.connection_pool
        quickly = pool.connection_kwargs | {
            "socket_timeout": PROBE_S,
            "socket_connect_timeout": PROBE_S,
            "retry": Retry(NoBackoff(), 0),
        }
        self._probe = Redis.from_pool(
            ConnectionPool(connection_class=pool.connection_class, **quickly)
        )
        self._lock = threading.Lock()
        self._reason, self._asked_at = "", 0.0

    @contextmanager
    def asked(self) -> Iterator[None]:
        """A block that asks Redis. Raises LedgerUnavailable, at once while Redis is away."""
        self._check()
        try:
            with reported():
                yield
        except LedgerUnavailable as error:
            if isinstance(error.__cause__, NotConnected | TooLate):
                self._reason, self._asked_at = str(error), time.monotonic()
            raise

    def _check(self) -> None:
        if not self._reason:
            return
        if time.monotonic() - self._asked_at > PROBE_S and self._lock.acquire(blocking=False):
            try:
                self._probe.ping()
                self._reason = ""
            except (NotConnected, TooLate):
                self._asked_at = time.monotonic()
            finally:
                self._lock.release()
        if reason := self._reason:
            raise LedgerUnavailable(reason)
