"""The ledger's transitions, on a real Redis: one holder, one end, whatever arrives late, twice or not at all."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter

import pytest

from job_requests import job_request
from parcela.errors import StepFailed
from parcela.jobs.ledger import Claim, Ledger, LedgerUnavailable
from parcela.jobs.records import Job, JobRequest, Outcome, Problem, Stage
from processes import wait_until
from redis_server import RedisServer

PROBLEM = Problem.of(StepFailed("robex crashed (SIGSEGV)"))
LEASE_S = 30


@pytest.fixture
def ledger(redis_url: str) -> Ledger:
    """An empty ledger whose jobs need not wait between attempts."""
    return Ledger(redis_url, back_off_s=0)


def claimed(ledger: Ledger, stage: Stage = "preprocess", lease_s: float = LEASE_S) -> Claim:
    claim = ledger.claim(stage, "worker-1", lease_s)
    assert claim is not None
    return claim


def known(ledger: Ledger, request: JobRequest) -> Job:
    job = ledger.get(request.id)
    assert job is not None
    return job


def finish(ledger: Ledger) -> Job:
    """Let the oldest job go through both stages."""
    ledger.advance(claimed(ledger), {})
    claim = claimed(ledger, "inference")
    ledger.advance(claim, {})
    job = ledger.get(claim.job.id)
    assert job is not None
    return job


# ----------------------------------------------------------------------------------------------------- the ordinary way


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
    assert ledger.advance(second, {"network": 0.5}) == "done"
    job = known(ledger, request)
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


# --------------------------------------------------------------------------------------------------- leases and tokens


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


def test_given_a_worker_that_stops_politely_then_the_attempt_does_not_count(ledger: Ledger) -> None:
    ledger.add(job_request())
    for _ in range(5):
        assert ledger.release(claimed(ledger)) == "waiting"
    assert claimed(ledger).job.attempt == 1


# ------------------------------------------------------------------------------------------------------ cancel, forget


def test_given_a_running_job_when_cancelled_then_its_worker_has_lost_it(ledger: Ledger) -> None:
    request = job_request()
    ledger.add(request)
    claim = claimed(ledger)
    cancelled = ledger.cancel(request.id)
    assert cancelled is not None
    assert cancelled.status == "cancelled"
    assert ledger.renew(claim, LEASE_S, "bias", 0.2) == "lost"
    assert ledger.advance(claim, {}) == "lost"
    assert ledger.cancel(request.id) == cancelled
    assert sum(ledger.running().values()) == 0


def test_given_a_job_that_is_done_when_cancelled_then_it_stays_done(ledger: Ledger) -> None:
    ledger.add(job_request())
    job = finish(ledger)
    assert ledger.cancel(job.id) == job


def test_given_cancel_and_advance_at_once_then_there_is_one_end(redis_url: str) -> None:
    ledger = Ledger(redis_url)
    for _ in range(20):
        request = job_request("label")
        ledger.add(request)
        ledger.advance(claimed(ledger), {})
        last = claimed(ledger, "labelling")
        racers = [
            threading.Thread(target=Ledger(redis_url).advance, args=(last, {})),
            threading.Thread(target=Ledger(redis_url).cancel, args=(request.id,)),
        ]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        ends = [t for t in ledger.log() if t.id == request.id and t.became in ("done", "cancelled")]
        assert [end.became for end in ends] == [known(ledger, request).status]


def test_given_a_forgotten_job_then_no_trace_of_it_is_left(ledger: Ledger, redis_url: str) -> None:
    request = job_request(owner="me")
    ledger.add(request)
    claim = claimed(ledger)
    ledger.forget(request.id)
    ledger.forget(request.id)
    assert ledger.get(request.id) is None
    assert ledger.cancel(request.id) is None
    assert ledger.jobs("me") == []
    assert ledger.ids() == []
    assert ledger.renew(claim, LEASE_S, "", 0) == "lost"
    assert ledger.advance(claim, {}) == "lost"
    assert ledger.expire() == []
    assert ledger.get(request.id) is None


# ------------------------------------------------------------------------------------------------------ after a loss


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
    assert ledger.expire() == []  # a fresh term: nobody could renew meanwhile
    assert ledger.renew(claim, LEASE_S, "bias", 0.2) == "held"
    assert claimed(ledger).job.id == waiting.id


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
