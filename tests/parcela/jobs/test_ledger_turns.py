"""Whose job comes next: callers take turns, and what hung goes to the end of the queue."""

from __future__ import annotations

import pytest

from job_requests import job_request
from ledger_moves import PROBLEM, claimed, known
from parcela.errors import LimitExceeded
from parcela.jobs.ledger import Ledger
from parcela.jobs.records import Problem

HUNG = Problem.of(LimitExceeded("preprocess did not finish in 3600 s (PARCELA_JOB_TIMEOUT_S)"))


def test_given_one_caller_with_many_jobs_then_others_have_their_turn(ledger: Ledger) -> None:
    for created in range(4):
        ledger.add(job_request(owner="greedy", created=created))
    for created in (10, 11):
        ledger.add(job_request(owner="modest", created=created))
    ledger.add(job_request(owner="late", created=20))
    jobs = [claimed(ledger).job for _ in range(7)]
    order = ["greedy", "modest", "late", "greedy", "modest", "greedy", "greedy"]
    assert [job.owner for job in jobs] == order
    assert [job.created for job in jobs if job.owner == "greedy"] == [0, 1, 2, 3]
    assert ledger.claim("preprocess", "worker", 30) is None


def test_given_jobs_that_wait_then_all_and_each_callers_are_counted(ledger: Ledger) -> None:
    for owner in ("a", "a", "b"):
        ledger.add(job_request(owner=owner))
    claim = claimed(ledger)
    ledger.fail(claim, PROBLEM, retry=True)  # waits again
    assert (ledger.queue("a"), ledger.queue("b"), ledger.queue("c")) == (
        (3, 2, 2),
        (3, 1, 1),
        (3, 0, 0),
    )


@pytest.mark.parametrize("attempts", [1, 3, 100])
def test_given_a_scan_that_hangs_then_it_is_tried_once_more_at_most_behind_the_others(
    redis_url: str, attempts: int
) -> None:
    ledger = Ledger(redis_url, back_off_s=0, attempts=attempts)
    hung, other = job_request(created=1), job_request(created=2)
    ledger.add(hung)
    ledger.add(other)
    answers = [ledger.fail(claimed(ledger), HUNG, retry=True)]
    if answers == ["waiting"]:
        between = claimed(ledger)
        assert between.job.id == other.id
        assert ledger.release(between) == "waiting"
        assert claimed(ledger).job.id == other.id  # the younger job, and still before it
        answers.append(ledger.fail(claimed(ledger), HUNG, retry=True))
    assert answers == (["failed"] if attempts == 1 else ["waiting", "failed"])
    assert known(ledger, hung).problem == HUNG
