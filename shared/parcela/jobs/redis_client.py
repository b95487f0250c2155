"""The one way that Parcela talks to Redis, and what it says when Redis is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as TooLate
from redis.retry import Retry

from parcela.errors import Unavailable


class LedgerUnavailable(Unavailable):
    """Redis does not answer, or takes no more writes."""

    slug = "ledger-unavailable"


def connect(redis_url: str) -> Redis:
    """A client that repeats a request whose reply was lost, for some seconds (a restart of Redis)."""
    return Redis.from_url(
        redis_url,
        decode_responses=True,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries=7),
        socket_timeout=5,
        socket_connect_timeout=5,
    )


@contextmanager
def reported() -> Iterator[None]:
    """Turn what redis-py raises when Redis is away into `LedgerUnavailable`."""
    try:
        yield
    except (NotConnected, TooLate, ReadOnlyError, OutOfMemoryError) as error:
        raise LedgerUnavailable(
            f"the ledger does not answer ({error}): see that Redis runs, and that PARCELA_REDIS names it"
        ) from error
