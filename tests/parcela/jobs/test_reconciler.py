"""The reconciler on a real Redis and a real store: nothing accepted is lost, nothing erased comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from installation import Installation
from parcela.jobs.keys import (
    outcome_key,
    stage_key,
    tombstone_key,
)
from parcela.jobs.records import Outcome
from processes import wait_until
from redis_server import RedisServer

# ------------------------------------------------------------------------------------------------------- every look


def test_given_jobs_that_wait_then_a_bell_is_rung_for_each_and_no_more(here: Installation) -> None:
    for _ in range(3):
        here.accept()
    here.bell.ring("preprocess")
    for _ in range(3):
        here.reconciler.run_once()
    assert here.bell.bells("preprocess") == 3
    assert here.bell.bells("inference") == 0


def test_given_a_bell_that_got_lost_then_it_is_rung_again(here: Installation) -> None:
    here.accept()
    here.reconciler.run_once()
    here.redis.client.delete("preprocess")
    here.reconciler.run_once()
    assert here.bell.bells("preprocess") == 1


def test_given_a_silent_worker_then_its_job_waits_again_with_a_bell(here: Installation) -> None:
    request = here.accept()
    here.claim(lease_s=0.05)
    time.sleep(0.1)
    here.reconciler.run_once()
    assert here.bell.bells("preprocess") == 1
    assert here.claim().job.id == request.id


def test_given_a_job_that_ended_unrecorded_then_its_outcome_is_written(here: Installation) -> None:
    request = here.accept()
    for _ in range(3):
        here.claim(lease_s=0.01)
        time.sleep(0.02)
        here.reconciler.run_once()
    with here.store.open(outcome_key(request.id)) as file:
        outcome = Outcome.from_json(file.read())
    assert outcome.state == "failed"
    assert outcome.problem is not None
    assert outcome.problem.slug == "worker-lost"
    assert here.ledger.unrecorded() == []


def test_given_an_outcome_that_the_worker_wrote_then_it_is_left_as_it_is(
    here: Installation,
) -> None:
    request = here.accept()
    here.work(here.claim())
    here.work(here.claim("inference"))
    here.store.put(outcome_key(request.id), b"the worker's")
    here.reconciler.run_once()
    with here.store.open(outcome_key(request.id)) as file:
        assert file.read() == b"the worker's"


def test_given_a_cancelled_job_under_deletion_then_no_outcome_of_it_is_written(
    here: Installation,
) -> None:
    request = here.accept()
    here.ledger.cancel(request.id)
    here.store.put(tombstone_key(request.id), b"{}")
    here.reconciler.run_once()
    assert here.files(request) == []
    assert here.status(request) is None


# --------------------------------------------------------------------------------------------------- a loss of memory


def test_given_done_running_and_deleted_jobs_when_redis_is_emptied_then_each_is_as_it_was(
    here: Installation,
) -> None:
    done = [here.finish() for _ in range(3)]
    jobs = [here.ledger.get(request.id) for request in done]
    deleted = [here.accept() for _ in range(3)]
    for request in deleted:
        here.delete(request)
    running = [here.accept() for _ in range(3)]
    for _ in running:
        here.claim()

    here.lose_memory()
    here.reconciler.run_once()

    assert here.ledger.intact()
    for request, before in zip(done, jobs, strict=True):
        job = here.ledger.get(request.id)
        assert job is not None
        assert before is not None
        assert (job.status, job.token) == ("done", before.token)
    assert [here.status(request) for request in running] == ["queued"] * 3
    assert [here.status(request) for request in deleted] == [None] * 3
    assert here.bell.bells("preprocess") == 3
    assert {here.claim().job.id for _ in running} == {request.id for request in running}


def test_given_a_finished_first_stage_when_redis_is_emptied_then_it_is_not_done_again(
    here: Installation,
) -> None:
    request = here.accept()
    claim = here.claim()
    here.store.put(stage_key(request.id, "preprocess", "00half", "image.npy"), b"x")
    here.work(claim)
    here.lose_memory()
    here.reconciler.run_once()
    again = here.claim("inference")
    assert again.job.tokens == {"preprocess": claim.token}


def test_given_a_restart_that_lost_the_last_second_then_the_outcome_wins(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    here = Installation(own_redis, tmp_path / "store")
    here.reconciler.run_once()
    request = here.accept()
    here.work(here.claim())
    late = here.claim("inference")
    outcome = Outcome(
        state="done", token="cd" * 16, finished=2.0, owner="local", kind="predict", created=1.0
    )
    here.store.put(outcome_key(request.id), outcome.to_json().encode())

    own_redis.restart()
    here.reconciler.run_once()
    job = here.ledger.get(request.id)
    assert job is not None
    assert (job.status, job.token) == ("done", outcome.token)
    assert here.ledger.advance(late, {}) == "lost"


def test_given_a_row_that_came_back_after_its_job_was_erased_then_it_goes(
    here: Installation,
) -> None:
    request = here.accept()
    here.delete(request)
    here.ledger.add(request)
    here.look()
    assert here.status(request) is None


def test_given_several_gateways_when_all_recover_at_once_then_each_job_waits_once(
    here: Installation,
) -> None:
    requests = [here.accept() for _ in range(10)]
    others = [Installation(here.redis, here.folder).reconciler for _ in range(3)]
    here.lose_memory()
    for reconciler in others:
        reconciler.start()
    wait_until(lambda: here.ledger.intact() and here.bell.bells("preprocess") >= 10)
    for reconciler in others:
        reconciler.stop()
    assert here.ledger.waiting()["preprocess"] == 10
    added = [entry.id for entry in here.ledger.log() if entry.was == "absent"]
    assert sorted(added) == sorted(request.id for request in requests)


# ---------------------------------------------------------------------------------------------------------- the thread


@pytest.fixture
def started(own_redis: RedisServer, tmp_path: Path) -> Iterator[Installation]:
    found = Installation(own_redis, tmp_path / "store")
    found.reconciler.start()
    yield found
    found.reconciler.stop()


def test_given_a_running_reconciler_when_redis_goes_and_comes_then_it_goes_on(
    started: Installation,
) -> None:
    started.redis.restart()
    started.accept()
    wait_until(lambda: started.bell.bells("preprocess"))
