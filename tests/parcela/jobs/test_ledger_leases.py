"""Leases in the ledger, on a real Redis: an attempt ends, is repeated, or is counted as the last one."""

from __future__ import annotations

import time

from job_requests import job_request
from ledger_moves import LEASE_S, PROBLEM, claimed, known
from parcela.jobs.ledger import Ledger
from processes import wait_until


def test_given_a_holder_when_it_renews_then_its_progress_shows(ledger: Ledger) -> None:
    request = job_request()
    ledger.add(request)
    claim = claimed(ledger, lease_s=0.2)
    assert ledger.renew(claim, LEASE_S, "bias", 0.25) == "held"
    time.sleep(0.25)
    assert ledger.expire() == []
    job = known(ledger, request)
    assert (job.step, job.progress) == ("bias", 0.25)


def test_given_a_lease_past_due_then_the_job_waits_again_and_its_worker_has_lost_it(
    ledger: Ledger,
) -> None:
    request = job_request()
    ledger.add(request)
    late = claimed(ledger, lease_s=0.05)
    time.sleep(0.1)
    assert ledger.expire() == [request.id]
    assert ledger.expire() == []
    again = claimed(ledger)
    assert (again.job.id, again.job.attempt) == (request.id, 2)

    assert ledger.renew(late, LEASE_S, "bias", 0.3) == "lost"
    assert ledger.advance(late, {}) == "lost"
    assert ledger.fail(late, PROBLEM, retry=False) == "lost"
    assert ledger.release(late) == "lost"
    assert ledger.advance(again, {}) == "next"
    assert known(ledger, request).tokens == {"preprocess": again.token}


def test_given_three_leases_past_due_then_the_job_has_failed_and_says_so(ledger: Ledger) -> None:
    request = job_request()
    ledger.add(request)
    for _ in range(3):
        claimed(ledger, lease_s=0.02)
        time.sleep(0.04)
        ledger.expire()
    job = known(ledger, request)
    assert job.status == "failed"
    assert job.problem is not None
    assert job.problem.slug == "worker-lost"
    assert ledger.claim("preprocess", "worker-1", LEASE_S) is None


def test_given_a_failure_worth_a_retry_then_it_waits_until_the_last_attempt(ledger: Ledger) -> None:
    request = job_request()
    ledger.add(request)
    answers = [ledger.fail(claimed(ledger), PROBLEM, retry=True) for _ in range(3)]
    assert answers == ["waiting", "waiting", "failed"]
    assert known(ledger, request).problem == PROBLEM


def test_given_a_failure_that_would_repeat_then_one_attempt_is_enough(ledger: Ledger) -> None:
    request = job_request()
    ledger.add(request)
    assert ledger.fail(claimed(ledger), PROBLEM, retry=False) == "failed"
    assert known(ledger, request).status == "failed"


def test_given_a_back_off_then_the_job_is_not_handed_out_before_its_end(redis_url: str) -> None:
    ledger = Ledger(redis_url, back_off_s=2)
    first, second = job_request(created=1.0), job_request(created=2.0)
    ledger.add(first)
    ledger.add(second)
    ledger.fail(claimed(ledger), PROBLEM, retry=True)
    assert ledger.ready()["preprocess"] == 1
    assert ledger.waiting()["preprocess"] == 2
    assert claimed(ledger).job.id == second.id
    assert ledger.claim("preprocess", "worker-1", LEASE_S) is None
    time.sleep(2)
    assert claimed(ledger).job.id == first.id


def test_given_a_lease_past_due_then_there_is_no_back_off_on_top_of_it(redis_url: str) -> None:
    ledger = Ledger(redis_url, back_off_s=60)
    request = job_request()
    ledger.add(request)
    claimed(ledger, lease_s=0.01)
    wait_until(lambda: ledger.expire() == [request.id])
    assert claimed(ledger).job.id == request.id


def test_given_a_worker_that_stops_politely_then_the_attempt_does_not_count(ledger: Ledger) -> None:
    ledger.add(job_request())
    for _ in range(5):
        assert ledger.release(claimed(ledger)) == "waiting"
    assert claimed(ledger).job.attempt == 1
