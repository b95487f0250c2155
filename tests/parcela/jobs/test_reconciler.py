"""The reconciler on a real Redis and a real store: nothing accepted is lost, nothing erased comes back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_requests import job_request
from parcela.jobs.doorbell import Doorbell
from parcela.jobs.job_files import commit_request, erase_job, read_outcome
from parcela.jobs.keys import (
    job_prefix,
    outcome_key,
    request_key,
    scan_key,
    stage_key,
    tombstone_key,
)
from parcela.jobs.ledger import Claim, Ledger
from parcela.jobs.reconciler import Reconciler
from parcela.jobs.records import JobRequest, Outcome, Stage
from parcela.settings import Settings
from parcela.store.folder import FolderStore
from parcela.store.store import Store, read
from processes import wait_until
from redis_server import RedisServer

HOUR = 3600
DAY = 24 * HOUR
PREPROCESSED = ("image.npy", "brain_mask.npy", "trail.json", "preprocessed.json")


class Installation:
    """A ledger, a store and a doorbell, with their reconciler; the clock of files can be turned back."""

    def __init__(self, redis: RedisServer, folder: Path) -> None:
        self.redis, self.folder = redis, folder
        self.store: Store = FolderStore(folder)
        self.ledger = Ledger(redis.url, back_off_s=0)
        self.bell = Doorbell(redis.url)
        self.reconciler = Reconciler(self.ledger, self.store, self.bell, Settings(reconcile_s=0.1))

    def look(self) -> None:
        """One look that goes through the store as well."""
        self.redis.client.delete("parcela:turn:compare")
        self.reconciler.run_once()

    def accept(self, request: JobRequest | None = None, *, row: bool = True) -> JobRequest:
        """A job as the gateway accepts it."""
        request = request or job_request()
        self.store.put(scan_key(request.id, request.upload), b"scan")
        commit_request(self.store, request)
        if row:
            self.ledger.add(request)
        return request

    def claim(self, stage: Stage = "preprocess", lease_s: float = 30) -> Claim:
        claim = self.ledger.claim(stage, "worker", lease_s)
        assert claim is not None
        return claim

    def work(self, claim: Claim) -> None:
        """What a worker does with a job."""
        names = PREPROCESSED if claim.stage == "preprocess" else ("dseg.nii.gz", "manifest.json")
        for name in names:
            self.store.put(stage_key(claim.job.id, claim.stage, claim.token, name), b"x")
        self.ledger.advance(claim, {"work": 1.0})

    def finish(self) -> JobRequest:
        """A job that is done, its outcome written."""
        request = self.accept()
        self.work(self.claim())
        self.work(self.claim("inference"))
        self.reconciler.run_once()
        assert self.store.stat(outcome_key(request.id))
        return request

    def delete(self, request: JobRequest) -> None:
        """What the gateway does on DELETE."""
        erase_job(self.ledger, self.store, request.id, request.owner)

    def lose_memory(self) -> None:
        self.redis.client.flushall()

    def age(self, prefix: str, seconds: float) -> None:
        """Let files have been written so long ago."""
        then = time.time() - seconds
        for file in self.store.list(prefix):
            os.utime(self.folder / file.key, (then, then))

    def files(self, request: JobRequest) -> list[str]:
        prefix = job_prefix(request.id)
        return [file.key.removeprefix(prefix) for file in self.store.list(prefix)]

    def status(self, request: JobRequest) -> str | None:
        job = self.ledger.get(request.id)
        return None if job is None else job.status


@pytest.fixture
def here(redis_url: str, shared_redis: RedisServer, tmp_path: Path) -> Installation:
    """An installation in order, without jobs."""
    found = Installation(shared_redis, tmp_path / "store")
    found.reconciler.run_once()
    return found


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


# ------------------------------------------------------------------------------------------------------ the whole store


def test_given_a_job_committed_while_redis_was_away_then_it_is_found(here: Installation) -> None:
    request = here.accept(row=False)
    here.look()
    assert here.status(request) == "queued"


def test_given_a_scan_without_its_commit_mark_then_it_is_swept_after_an_hour(
    here: Installation,
) -> None:
    request = job_request()
    here.store.put(scan_key(request.id, request.upload), b"scan")
    here.look()
    assert here.files(request) == [f"upload/{request.upload}/scan.nii.gz"]
    here.age("jobs", HOUR + 60)
    here.look()
    assert here.files(request) == []
    assert here.status(request) is None


def test_given_what_a_late_worker_wrote_for_a_deleted_job_then_it_is_swept_at_once(
    here: Installation,
) -> None:
    request = here.accept()
    claim = here.claim()
    here.delete(request)
    here.work(claim)
    assert here.files(request)
    here.look()
    assert here.files(request) == []


def test_given_a_deletion_cut_short_then_it_is_finished(here: Installation) -> None:
    request = here.accept()
    here.store.put(tombstone_key(request.id), b"{}")
    here.look()
    assert here.files(request) == []
    assert here.status(request) is None


def test_given_a_commit_soon_after_the_deletion_whose_gateway_died_then_it_goes(
    here: Installation,
) -> None:
    """Of an upload that had begun before: no gateway accepts the id again for a day."""
    request = here.accept()
    here.delete(request)
    here.age("tombstones", HOUR)
    for row in (False, True):
        here.accept(request, row=row)
        here.look()
        assert here.files(request) == []
        assert here.status(request) is None


def test_given_a_tombstone_then_it_stands_for_a_day(here: Installation) -> None:
    request = here.accept()
    here.delete(request)
    here.age("tombstones", DAY - 60)
    here.look()
    assert here.store.stat(tombstone_key(request.id))
    here.age("tombstones", DAY + 60)
    here.look()
    assert here.store.stat(tombstone_key(request.id)) is None


def test_given_a_job_accepted_anew_under_an_old_tombstone_then_it_lives(here: Installation) -> None:
    request = here.accept()
    here.delete(request)
    here.age("tombstones", DAY - 60)
    here.accept(request)
    here.look()
    here.work(here.claim())
    here.work(here.claim("inference"))
    here.look()
    assert here.status(request) == "done"
    assert here.store.stat(outcome_key(request.id))


def test_given_a_finished_job_then_an_hour_later_its_result_alone_is_kept(
    here: Installation,
) -> None:
    request = here.accept()
    here.store.put(stage_key(request.id, "preprocess", "loser", "image.npy"), b"x")
    here.work(here.claim())
    last = here.claim("inference")
    here.store.put(stage_key(request.id, "inference", "loser", "dseg.nii.gz"), b"x")
    here.store.put(scan_key(request.id, "loser"), b"another upload")
    here.work(last)
    here.look()
    assert len(here.files(request)) == 3 + 3 + len(PREPROCESSED) + 2
    here.age(f"jobs/{request.id}", HOUR + 60)
    here.look()
    assert here.files(request) == [
        f"inference/{last.token}/dseg.nii.gz",
        f"inference/{last.token}/manifest.json",
        "outcome.json",
        "request.json",
        f"upload/{request.upload}/scan.nii.gz",
    ]


def test_given_an_old_finished_job_then_it_is_erased_after_the_retention_and_one_waiting_is_not(
    here: Installation,
) -> None:
    done, waiting = here.finish(), here.accept()
    here.age("jobs", 7 * DAY - 60)
    here.look()
    assert here.status(done) == "done"
    here.age("jobs", 7 * DAY + 60)
    here.look()
    assert here.files(done) == []
    assert here.status(done) is None
    assert here.status(waiting) == "queued"


def test_given_a_damaged_request_then_it_has_failed_and_goes_in_time_and_the_others_are_seen_to(
    here: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, whole = job_request(owner="alice"), job_request()
    here.store.put(request_key(damaged.id), damaged.to_json().encode()[:-20])
    here.accept(whole, row=False)
    here.look()
    assert here.status(whole) == "queued"
    assert here.files(damaged) == ["outcome.json", "request.json"]
    assert f"job {damaged.id}: unreadable jobrequest record" in caplog.text
    outcome = read_outcome(here.store, damaged.id)
    assert (outcome.state, outcome.owner) == ("failed", "alice")
    assert outcome.problem is not None
    assert outcome.problem.slug == "bad-record"
    assert [job.id for job in here.ledger.jobs("alice")] == [damaged.id]

    here.age(f"jobs/{damaged.id}", 7 * DAY + 60)
    here.look()
    assert here.files(damaged) == []
    assert here.status(damaged) is None


def test_given_an_outcome_of_a_later_release_then_the_job_has_failed_and_the_record_stays(
    here: Installation,
) -> None:
    request = here.finish()
    later = read(here.store, outcome_key(request.id)).replace(b'"version":1', b'"version":9')
    here.store.put(outcome_key(request.id), later)
    here.look()
    assert here.status(request) == "done"  # the ledger knows better
    here.lose_memory()
    here.look()
    assert here.status(request) == "failed"
    assert read(here.store, outcome_key(request.id)) == later
    here.age("jobs", 7 * DAY + 60)
    here.look()
    assert here.files(request) == []


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
