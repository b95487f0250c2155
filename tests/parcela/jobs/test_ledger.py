"""The ledger's transitions, on a real Redis: one holder for each job, its stages in order, and a log of its life."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from job_requests import job_request
from ledger_moves import LEASE_S, PROBLEM, claimed, finish, known
from parcela.jobs.ledger import Ledger
from parcela.jobs.records import Stage
from parcela.quality.grade import Judgement
from processes import wait_until


def test_given_a_new_job_then_it_is_queued_for_its_first_stage(ledger: Ledger) -> None:
    request = job_request()
    job = ledger.add(request)
    assert (job.status, job.stage, job.waiting, job.attempt) == ("queued", "preprocess", True, 0)
    assert ledger.get(request.id) == job
    assert ledger.waiting() == {"preprocess": 1, "inference": 0, "labelling": 0}


@pytest.mark.parametrize(
    ("kind", "last", "status"),
    [("predict", "inference", "parcellating"), ("label", "labelling", "labelling")],
)
def test_given_a_job_when_each_stage_advances_then_it_is_done(
    ledger: Ledger, kind: str, last: Stage, status: str
) -> None:
    request = job_request(kind)  # type: ignore[arg-type]
    ledger.add(request)
    first = claimed(ledger)
    assert (first.job.status, first.job.attempt, first.job.waiting) == ("preprocessing", 1, False)
    assert ledger.running()["preprocess"] == 1
    assert ledger.advance(first, {"n4": 2.5}) == "next"
    between = known(ledger, request)
    assert (between.status, between.stage, between.waiting) == (status, last, True)
    assert (between.progress, between.attempt) == (0.5, 0)

    second = claimed(ledger, last)
    verdict = Judgement(verdict="doubtful", reasons=("regions fall into pieces", "half is missing"))
    assert between.quality is None
    assert ledger.advance(second, {"network": 0.5}, verdict) == "done"
    job = known(ledger, request)
    assert job.quality == verdict
    assert ledger.jobs("local") == [job]
    assert (job.status, job.stage, job.progress, job.waiting) == ("done", None, 1.0, False)
    assert job.tokens == {"preprocess": first.token, last: second.token}
    assert job.token == second.token
    assert job.seconds == {"n4": 2.5, "network": 0.5}
    assert job.started is not None
    assert job.finished is not None
    assert job.started <= job.finished
    assert sum(ledger.running().values()) == sum(ledger.waiting().values()) == 0


def test_given_several_waiting_then_the_oldest_is_claimed_first(ledger: Ledger) -> None:
    requests = [job_request(created=when) for when in (300.0, 100.0, 200.0)]
    for request in requests:
        ledger.add(request)
    assert [claimed(ledger).job.created for _ in requests] == [100.0, 200.0, 300.0]
    assert ledger.claim("preprocess", "worker-1", LEASE_S) is None


def test_given_the_same_job_twice_then_the_second_changes_nothing(ledger: Ledger) -> None:
    request = job_request()
    ledger.add(request)
    held = claimed(ledger).job
    assert ledger.add(request) == held
    assert ledger.waiting()["preprocess"] == 0


def test_given_many_claimers_at_once_then_each_job_has_one_holder(redis_url: str) -> None:
    ledger = Ledger(redis_url)
    ids = {ledger.add(job_request()).id for _ in range(40)}
    found: list[str] = []

    def claim_all() -> None:
        own = Ledger(redis_url)
        while claim := own.claim("preprocess", "worker", LEASE_S):
            found.append(claim.job.id)

    threads = [threading.Thread(target=claim_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(found) == Counter(ids)


def test_given_two_owners_then_each_sees_its_own_newest_first(ledger: Ledger) -> None:
    mine = [ledger.add(job_request(owner="me", created=when)).id for when in (1.0, 3.0, 2.0)]
    ledger.add(job_request(owner="you"))
    assert [job.id for job in ledger.jobs("me")] == [mine[1], mine[2], mine[0]]
    assert [job.id for job in ledger.jobs("me", limit=1)] == [mine[1]]
    assert ledger.jobs("nobody") == []


def test_given_two_namespaces_then_they_share_nothing(redis_url: str) -> None:
    Ledger(redis_url, "one").add(job_request())
    assert Ledger(redis_url, "two").claim("preprocess", "worker", LEASE_S) is None


def test_given_a_task_for_one_process_then_the_first_to_ask_has_the_turn(redis_url: str) -> None:
    first, second = Ledger(redis_url), Ledger(redis_url)
    assert first.turn("sweep", 2)
    assert not second.turn("sweep", 2)
    wait_until(lambda: second.turn("sweep", 2))
    assert not first.turn("sweep", 2)


def test_given_a_jobs_life_then_the_log_tells_it(ledger: Ledger) -> None:
    request = job_request()
    ledger.add(request)
    ledger.fail(claimed(ledger), PROBLEM, retry=True)
    finish(ledger)
    story = [(t.was, t.became, t.stage, t.attempt, t.why) for t in ledger.log()]
    assert story == [
        ("absent", "waiting", "preprocess", 0, "added"),
        ("waiting", "running", "preprocess", 1, "claimed"),
        ("running", "waiting", "preprocess", 1, "failed: step-failed"),
        ("waiting", "running", "preprocess", 2, "claimed"),
        ("running", "waiting", "preprocess", 0, "advanced"),
        ("waiting", "running", "inference", 1, "claimed"),
        ("running", "done", "inference", 1, "advanced"),
    ]
    assert {t.id for t in ledger.log()} == {request.id}
    assert abs(next(ledger.log()).at - time.time()) < 5


def test_given_a_log_longer_than_a_page_then_all_of_it_is_read(ledger: Ledger) -> None:
    for _ in range(1203):
        ledger.add(job_request())
    entries = list(ledger.log())
    assert len({entry.id for entry in entries}) == len(entries) == 1203
