"""A reply of Redis that gets lost after the request was carried out: each request asked twice counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cutting_proxy import CuttingProxy
from job_requests import job_request
from parcela.errors import StepFailed
from parcela.jobs.ledger import Claim, Ledger
from parcela.jobs.records import Problem
from redis_server import RedisServer

LEASE_S = 30
PROBLEM = Problem.of(StepFailed("robex crashed (SIGSEGV)"))


@pytest.fixture
def proxy(redis_url: str, shared_redis: RedisServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(shared_redis.socket) as proxy:
        yield proxy


@pytest.fixture
def ledger(proxy: CuttingProxy) -> Ledger:
    return Ledger(proxy.url, back_off_s=0)


@pytest.fixture
def claim(ledger: Ledger) -> Claim:
    """A held job; one more waits, which no repeated request may touch."""
    ledger.add(job_request(created=1.0))
    ledger.add(job_request(created=2.0))
    claim = ledger.claim("preprocess", "worker-1", LEASE_S)
    assert claim is not None
    return claim


def steps(ledger: Ledger, job_id: str) -> list[str]:
    return [entry.why for entry in ledger.log() if entry.id == job_id]


def test_given_a_lost_reply_to_add_then_the_job_is_there_once(
    ledger: Ledger, proxy: CuttingProxy
) -> None:
    ledger.add(job_request())
    proxy.cut()
    request = job_request()
    assert ledger.add(request).id == request.id
    assert proxy.cuts == 1
    assert steps(ledger, request.id) == ["added"]


@pytest.mark.parametrize("lost", [1, 3])
def test_given_lost_replies_to_claim_then_the_claim_already_made_is_given(
    ledger: Ledger, proxy: CuttingProxy, claim: Claim, lost: int
) -> None:
    proxy.cut(lost)
    second = ledger.claim("preprocess", "worker-2", LEASE_S)
    assert proxy.cuts == lost
    assert second is not None
    assert (second.job.created, second.job.attempt) == (2.0, 1)
    assert ledger.running()["preprocess"] == 2
    assert ledger.advance(second, {}) == "next"
    assert steps(ledger, second.job.id) == ["added", "claimed", "advanced"]


@pytest.mark.parametrize(
    ("ask", "answer", "why"),
    [
        (lambda ledger, claim: ledger.advance(claim, {"n4": 1.0}), "next", "advanced"),
        (lambda ledger, claim: ledger.fail(claim, PROBLEM, True), "waiting", "failed: step-failed"),
        (lambda ledger, claim: ledger.fail(claim, PROBLEM, False), "failed", "failed: step-failed"),
        (lambda ledger, claim: ledger.release(claim), "waiting", "released"),
        (lambda ledger, claim: ledger.renew(claim, LEASE_S, "bias", 0.1), "held", None),
        (lambda ledger, claim: ledger.cancel(claim.job.id).status, "cancelled", "cancelled"),
        (lambda ledger, claim: ledger.forget(claim.job.id), None, "forgotten"),
    ],
    ids=["advance", "fail-retry", "fail", "release", "renew", "cancel", "forget"],
)
def test_given_a_lost_reply_then_the_repeated_request_gets_the_same_answer(
    ledger: Ledger,
    proxy: CuttingProxy,
    claim: Claim,
    ask: Callable[[Ledger, Claim], object],
    answer: object,
    why: str | None,
) -> None:
    proxy.cut()
    assert ask(ledger, claim) == answer
    assert proxy.cuts == 1
    assert steps(ledger, claim.job.id) == ["added", "claimed", *([why] if why else [])]


def test_given_a_lost_reply_to_the_last_advance_then_it_is_done_once(
    ledger: Ledger, proxy: CuttingProxy, claim: Claim
) -> None:
    ledger.advance(claim, {})
    last = ledger.claim("inference", "worker-1", LEASE_S)
    assert last is not None
    proxy.cut()
    assert ledger.advance(last, {}) == "done"
    assert ledger.advance(last, {}) == "done"
    assert steps(ledger, last.job.id).count("advanced") == 2


def test_given_a_failure_that_was_applied_when_another_holds_the_job_then_the_answer_stays(
    ledger: Ledger, claim: Claim
) -> None:
    assert ledger.fail(claim, PROBLEM, retry=True) == "waiting"
    other = ledger.claim("preprocess", "worker-2", LEASE_S)
    assert other is not None
    assert other.job.id == claim.job.id
    assert ledger.fail(claim, PROBLEM, retry=True) == "waiting"
    assert ledger.advance(claim, {}) == "lost"
    assert ledger.renew(other, LEASE_S, "bias", 0.1) == "held"
