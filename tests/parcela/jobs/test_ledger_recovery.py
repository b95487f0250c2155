"""The ledger after a loss, on a real Redis: it is rebuilt from the store, and hands out nothing before that."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from job_requests import job_request
from ledger_moves import LEASE_S, claimed, finish
from parcela.jobs.ledger import Ledger, LedgerUnavailable
from parcela.jobs.records import Outcome
from redis_server import RedisServer


def test_given_an_outcome_in_the_store_then_it_holds_whatever_the_ledger_says(
    ledger: Ledger,
) -> None:
    request = job_request()
    ledger.add(request)
    done = finish(ledger)
    outcome = Outcome.of(done)
    ledger.forget(request.id)

    ledger.add(request)
    claim = claimed(ledger)
    restored = ledger.restore(request, outcome, {})
    assert (restored.status, restored.token) == ("done", done.token)
    assert ledger.advance(claim, {}) == "lost"
    assert ledger.unrecorded() == []
    assert ledger.jobs("local") == [restored]


def test_given_no_outcome_then_an_unknown_job_waits_and_a_known_one_is_left_alone(
    ledger: Ledger,
) -> None:
    request = job_request()
    assert ledger.restore(request, None, {}).waiting
    held = claimed(ledger).job
    assert ledger.restore(request, None, {}) == held


def test_given_a_stage_whose_files_are_whole_then_the_job_goes_on_after_it(ledger: Ledger) -> None:
    request = job_request()
    job = ledger.restore(request, None, {"preprocess": "aa"})
    assert (job.stage, job.status, job.progress) == ("inference", "parcellating", 0.5)
    claim = claimed(ledger, "inference")
    assert claim.job.tokens == {"preprocess": "aa"}


def test_given_an_end_then_it_is_unrecorded_until_the_store_has_it(ledger: Ledger) -> None:
    ledger.add(job_request())
    job = finish(ledger)
    assert ledger.unrecorded() == [job]
    ledger.recorded(job.id)
    assert ledger.unrecorded() == []


def test_given_a_ledger_that_was_emptied_then_it_is_not_intact_until_marked(
    ledger: Ledger, shared_redis: RedisServer
) -> None:
    assert not ledger.intact()
    assert ledger.mark()
    assert ledger.intact()
    shared_redis.client.flushall()
    assert not ledger.intact()


def test_given_a_flush_during_the_comparison_then_it_does_not_count(
    ledger: Ledger, shared_redis: RedisServer
) -> None:
    recovery = ledger.begin_recovery()
    shared_redis.client.flushall()
    assert not ledger.mark(recovery)
    assert not ledger.intact()


def test_given_a_restart_then_jobs_are_kept_and_none_is_handed_out_before_the_comparison(
    own_redis: RedisServer,
) -> None:
    ledger = Ledger(own_redis.url, back_off_s=0)
    ledger.mark()
    running, waiting = job_request(created=1.0), job_request(created=2.0)
    ledger.add(running)
    ledger.add(waiting)
    claim = claimed(ledger, lease_s=0.5)
    own_redis.restart(signal.SIGTERM)  # killed, it may forget its last second
    time.sleep(0.5)

    assert not ledger.intact()
    assert ledger.claim("preprocess", "worker-2", LEASE_S) is None
    assert ledger.expire() == []
    assert ledger.mark()
    assert ledger.expire() == []  # nobody could renew meanwhile
    assert ledger.renew(claim, LEASE_S, "bias", 0.2) == "held"
    assert claimed(ledger).job.id == waiting.id


def test_given_a_restart_then_a_lease_lasts_until_the_living_have_renewed_theirs_and_no_longer(
    ledger: Ledger, shared_redis: RedisServer
) -> None:
    redis: Any = shared_redis.client
    leases = "parcela:leases:preprocess"
    for left_ms, granted_ms in ((-5000, 8000), (5000, 8000), (25_000, 25_000)):
        request = job_request()
        ledger.add(request)
        claimed(ledger)
        before_ms = int(redis.time()[0]) * 1000
        redis.zadd(leases, {request.id: before_ms + left_ms})
        ledger.mark()
        after_ms = int(redis.time()[0] + 1) * 1000
        end = redis.zscore(leases, request.id)
        assert before_ms + granted_ms <= end <= after_ms + granted_ms
        ledger.forget(request.id)


def test_given_no_redis_then_it_is_said_what_to_do(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(own_redis.url)
    own_redis.stop()
    monkeypatch.setattr("redis.retry.sleep", lambda _: None)
    with pytest.raises(LedgerUnavailable, match="see that Redis runs, and that PARCELA_REDIS"):
        ledger.get(job_request().id)
    with pytest.raises(LedgerUnavailable):
        ledger.add(job_request())
