"""What Redis says when it cannot do its work, as the ledger's own error; a frozen Redis is answered soon."""

from __future__ import annotations

import signal
import time

import pytest
from redis.exceptions import (
    BusyLoadingError,
    MasterDownError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)

from parcela.jobs.ledger import Ledger
from parcela.jobs.redis_client import ANSWER_S, LedgerUnavailable, reported
from processes import wait_until
from redis_server import RedisServer, own_redis

__all__ = ["own_redis"]


@pytest.mark.parametrize(
    "error",
    [
        ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        ResponseError("ERR Error running script: @user_script:50: -MISCONF Redis is configured to"),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
        BusyLoadingError("Redis is loading the dataset in memory"),
        MasterDownError("Link with MASTER is down"),
        OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    ],
)
def test_given_a_redis_that_cannot_when_asked_then_the_ledger_is_away_and_says_why(
    error: RedisError,
) -> None:
    with pytest.raises(LedgerUnavailable) as raised, reported():
        raise error
    assert str(error) in str(raised.value)


def test_given_a_fault_of_ours_when_asked_then_it_is_not_taken_for_redis_being_away() -> None:
    with pytest.raises(ResponseError), reported():
        raise ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")


def test_given_a_frozen_redis_when_asked_then_there_is_an_answer_within_five_seconds(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ANSWER_S < 5
    monkeypatch.setattr("parcela.jobs.redis_client.ANSWER_S", 1.0)  # of which the test waits one
    ledger = Ledger(own_redis.url, hurried=True)
    ledger.waiting()
    own_redis.signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(LedgerUnavailable):
            ledger.waiting()
        assert 1 <= time.monotonic() - begun < 5  # asked once, and not eight times
        begun = time.monotonic()
        for _ in range(20):
            with pytest.raises(LedgerUnavailable):
                ledger.waiting()
        assert time.monotonic() - begun < 10  # not asked any more, but for a look now and then
    finally:
        own_redis.signal(signal.SIGCONT)
    wait_until(lambda: is_back(ledger))


def is_back(ledger: Ledger) -> bool:
    try:
        return sum(ledger.waiting().values()) == 0
    except LedgerUnavailable:
        return False
