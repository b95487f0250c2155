"""The one way that Parcela talks to Redis, and what it says when Redis is away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import MasterDownError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as TooLate
from redis.retry import Retry

from parcela.errors import Unavailable

ANSWER_S = 4  # longer than Redis takes while it lives
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
