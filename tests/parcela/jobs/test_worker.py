"""A worker between a real ledger, a real store and a real child: what is taken is finished, given back or failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from job_requests import job_request
from parcela.jobs.child import ComputeChild
from parcela.jobs.doorbell import Doorbell
from parcela.jobs.keys import outcome_key, request_key, scan_key, stage_key
from parcela.jobs.ledger import Ledger
from parcela.jobs.records import Job, Kind, Outcome, Stage
from parcela.jobs.worker import Worker
from parcela.settings import Settings, settings
from parcela.store.folder import FolderStore
from parcela.store.store import read
from patience import patient
from processes import gone, pids_in, wait_until
from redis_server import RedisServer

TESTS = Path(__file__).parents[2]
REAL = """
from parcela.jobs.worker_app import run_worker
run_worker({"preprocess": "stub_stage", "labelling": "stub_stage"})
"""


@dataclass
class Place:
    """One installation: its ledger, its store, and workers on demand."""

    ledger: Ledger
    store: FolderStore
    children: list[ComputeChild] = field(default_factory=list)
    rung: list[Stage] = field(default_factory=list)

    def submit(self, kind: Kind = "predict", **wish: Any) -> str:
        """A job whose scan says what the stub does. Its id."""
        request = job_request(kind)
        self.store.put(scan_key(request.id, request.upload), json.dumps(wish).encode())
        self.store.put(request_key(request.id), request.to_json().encode())
        self.ledger.add(request)
        return request.id

    def worker(self, stage: Stage = "preprocess", **limits: float) -> Worker:
        child = ComputeChild("stub_stage")
        self.children.append(child)
        chosen = Settings().model_copy(update=limits)
        return Worker(stage, self.ledger, self.store, child, self.rung.append, chosen)

    def job(self, job_id: str) -> Job:
        job = self.ledger.get(job_id)
        assert job is not None
        return job

    def outcome(self, job_id: str) -> Outcome:
        with self.store.open(outcome_key(job_id)) as file:
            return Outcome.from_json(file.read())


@pytest.fixture
def place(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An installation without jobs, in which a second attempt need not wait."""
    monkeypatch.setenv("PARCELA_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PARCELA_REDIS", redis_url)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS / "parcela" / "processes")])
    )
    settings.cache_clear()
    ledger = Ledger(redis_url, back_off_s=0)
    ledger.mark()
    place = Place(ledger, FolderStore(tmp_path / "store"))
    yield place
    for child in place.children:
        child.close()
    settings.cache_clear()


def beside(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_given_no_job_then_nothing_is_done_and_no_child_is_started(place: Place) -> None:
    worker = place.worker()
    assert not worker.work_once()
    assert worker.child.pid is None


def test_given_a_job_when_both_stages_are_worked_then_it_is_done_and_its_outcome_written(
    place: Place,
) -> None:
    job_id = place.submit(does="work")
    assert place.worker().work_once()
    job = place.job(job_id)
    assert (job.status, job.stage, job.waiting) == ("parcellating", "inference", True)
    assert place.rung == ["inference"]
    assert place.worker("inference").work_once()
    job = place.job(job_id)
    assert (job.status, job.progress, list(job.tokens)) == ("done", 1, ["preprocess", "inference"])
    assert place.outcome(job_id).token == job.tokens["inference"]
    assert place.ledger.unrecorded() == []
    for stage, token in job.tokens.items():
        assert place.store.stat(stage_key(job_id, stage, token, "result.txt")) is not None


def test_given_a_long_stage_then_callers_see_its_step_and_progress_within_its_bounds(
    place: Place, tmp_path: Path
) -> None:
    over = tmp_path / "over"
    job_id = place.submit(does="work", until=str(over), at="inference")
    place.worker().work_once()
    work = beside(place.worker("inference").work_once)
    wait_until(lambda: place.job(job_id).step == "second")
    assert place.job(job_id).progress == pytest.approx(0.5 + 0.75 / 2)
    over.touch()
    work.join()


def test_given_a_stage_longer_than_the_lease_then_the_lease_is_renewed(place: Place) -> None:
    job_id = place.submit(does="work", seconds=7)
    work = beside(place.worker(lease_s=5).work_once)
    while work.is_alive():
        assert place.ledger.expire() == []
        time.sleep(0.1)
    assert place.job(job_id).stage == "inference"


def test_given_bad_input_then_the_job_fails_at_once_and_the_child_stays_warm(place: Place) -> None:
    job_id, worker = place.submit(does="refuse"), place.worker()
    worker.work_once()
    job = place.job(job_id)
    assert (job.status, job.attempt) == ("failed", 1)
    assert job.problem is not None
    assert (job.problem.slug, job.problem.status) == ("bad-scan", 422)
    assert place.outcome(job_id).problem == job.problem
    assert worker.child.pid is not None
    assert not gone(worker.child.pid)


@pytest.mark.parametrize("deed", ["crash", "fail"])
def test_given_a_stage_that_fails_each_time_then_it_is_tried_three_times(
    place: Place, deed: str
) -> None:
    job_id, worker = place.submit(does=deed), place.worker()
    statuses = []
    while worker.work_once():
        statuses.append(place.job(job_id).status)
    assert statuses == ["preprocessing", "preprocessing", "failed"]
    assert place.outcome(job_id).state == "failed"


def test_given_a_stage_that_crashes_once_then_the_second_attempt_finishes_it(
    place: Place, tmp_path: Path
) -> None:
    job_id, worker = place.submit(does="crash", once=str(tmp_path / "once")), place.worker()
    assert worker.work_once()
    assert worker.work_once()
    assert place.job(job_id).stage == "inference"
    assert [line.why for line in place.ledger.log()][-1] == "advanced"


def spoil(place: Place, job_id: str) -> None:
    """Let a bit flip in what the first stage left."""
    token = place.job(job_id).tokens["preprocess"]
    key = stage_key(job_id, "preprocess", token, "result.txt")
    place.store.put(key, read(place.store, key)[:-1] + b"?")


def test_given_damaged_files_between_the_stages_then_the_first_is_done_again_and_all_is_well(
    place: Place,
) -> None:
    job_id = place.submit(does="take", at="inference")
    first, last = place.worker(), place.worker("inference")
    first.work_once()
    spoil(place, job_id)
    last.work_once()
    job = place.job(job_id)
    assert (job.status, job.stage, job.waiting, job.tokens) == (
        "preprocessing",
        "preprocess",
        True,
        {},
    )
    first.work_once()
    last.work_once()
    assert place.job(job_id).status == "done"


def test_given_files_that_are_damaged_each_time_then_the_job_fails_and_says_so(
    place: Place,
) -> None:
    job_id = place.submit(does="take", at="inference")
    first, last = place.worker(), place.worker("inference")
    rounds = 0
    while first.work_once():
        spoil(place, job_id)
        last.work_once()
        rounds += 1
    problem = place.job(job_id).problem
    assert rounds == 3
    assert problem is not None
    assert problem.slug == "damaged-inputs"


@pytest.mark.parametrize(
    ("wish", "limits", "detail"),
    [
        ({"does": "work", "seconds": 600}, {"job_timeout_s": 1.5}, "did not finish in 1.5 s"),
        ({"does": "eat"}, {"job_memory_mb": 500}, "took more than 500 MB"),
    ],
)
def test_given_a_stage_over_a_limit_then_its_child_is_killed_and_the_attempt_has_failed(
    place: Place, wish: dict[str, Any], limits: dict[str, float], detail: str
) -> None:
    job_id, worker = place.submit(**wish), place.worker("preprocess", **limits)
    place.ledger._attempts = 1
    begun = time.monotonic()
    worker.work_once()
    assert time.monotonic() - begun < patient(15)
    assert worker.child.pid is None
    problem = place.job(job_id).problem
    assert problem is not None
    assert problem.slug == "limit-exceeded"
    assert detail in problem.detail


def hanging(
    place: Place, tmp_path: Path, worker: Worker
) -> tuple[str, list[int], threading.Thread]:
    """A job at work whose isolated program hangs: its id, all processes, the worker's thread."""
    own, pids = tmp_path / "own", tmp_path / "pids"
    job_id = place.submit(does="hang", own=str(own), pids=str(pids))
    work = beside(worker.work_once)
    started = [*pids_in(pids, 2), *pids_in(own, 1)]
    wait_until(lambda: place.job(job_id).step == "hang")
    return job_id, started, work


def test_given_a_job_that_is_cancelled_then_all_that_works_on_it_ends_soon(
    place: Place, tmp_path: Path
) -> None:
    job_id, started, work = hanging(place, tmp_path, place.worker())
    place.ledger.cancel(job_id)
    wait_until(lambda: all(gone(pid) for pid in started), 8)
    work.join()
    assert place.job(job_id).status == "cancelled"


def test_given_a_job_that_is_deleted_at_work_then_nothing_of_it_comes_back(
    place: Place, tmp_path: Path
) -> None:
    worker = place.worker()
    job_id = place.submit(does="work", until=str(tmp_path / "never"))
    work = beside(worker.work_once)
    wait_until(lambda: place.job(job_id).step == "second")
    place.store.delete(request_key(job_id))
    place.store.delete(f"jobs/{job_id}")
    place.ledger.forget(job_id)
    work.join()
    assert list(place.store.list()) == []


def test_given_a_lease_that_was_lost_then_the_loser_stops_and_deletes_nothing(
    place: Place, tmp_path: Path
) -> None:
    job_id = place.submit(does="work", until=str(tmp_path / "never"))
    worker = place.worker(lease_s=0.01)
    wait_until(worker.ledger.intact)
    late = beside(worker.work_once)
    wait_until(lambda: place.job(job_id).status == "preprocessing")
    wait_until(lambda: place.ledger.expire() == [job_id])
    late.join()
    assert place.job(job_id).waiting
    assert place.store.stat(request_key(job_id)) is not None
    assert worker.child.pid is None


def test_given_a_worker_that_is_told_to_stop_then_the_job_is_given_back_uncounted(
    place: Place, tmp_path: Path
) -> None:
    worker = place.worker()
    job_id, started, work = hanging(place, tmp_path, worker)
    worker.stopping.set()
    work.join(patient(10))
    wait_until(lambda: all(gone(pid) for pid in started), 5)
    job = place.job(job_id)
    assert (job.waiting, job.attempt, job.stage) == (True, 0, "preprocess")
    assert not worker.work_once()


def test_given_a_ledger_that_is_away_while_a_stage_is_worked_then_the_result_is_not_lost(
    own_redis: RedisServer, tmp_path: Path, place: Place
) -> None:
    place = Place(Ledger(own_redis.url, back_off_s=0), place.store, place.children)
    place.ledger.mark()
    job_id = place.submit(does="work", seconds=3)
    worker = place.worker()
    work = beside(worker.work_once)
    wait_until(lambda: place.job(job_id).step == "first")
    time.sleep(1.1)  # so that the file holds what was said last
    own_redis.stop(signal.SIGKILL)
    time.sleep(4)
    own_redis.start()
    work.join(patient(20))
    assert place.job(job_id).stage == "inference"


def test_given_a_ledger_that_is_away_then_a_bell_is_heard_without_harm(place: Place) -> None:
    worker = place.worker()
    worker.ledger = Ledger("unix:///nowhere/redis.sock")
    assert not worker.work_once()


# ------------------------------------------------------------------------------------------------- as Celery runs it


@pytest.fixture
def celery_worker(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process of two stages."""
    process = subprocess.Popen([sys.executable, "-c", REAL], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_given_a_real_worker_when_bells_ring_then_each_stage_of_it_is_served(
    place: Place, redis_url: str, celery_worker: subprocess.Popen[bytes]
) -> None:
    doorbell = Doorbell(redis_url)
    jobs = [place.submit("label", does="work") for _ in range(3)]
    for _ in jobs:
        doorbell.ring("preprocess")
    wait_until(lambda: {place.job(job).status for job in jobs} == {"done"}, 20)
    claims = [line for line in place.ledger.log() if line.why == "claimed"]
    assert len(claims) == 6
    assert {line.worker.split(":")[1] for line in claims} == {str(celery_worker.pid)}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_given_a_real_worker_at_work_when_it_is_ended_then_nothing_of_it_lives_after_five_seconds(
    place: Place,
    redis_url: str,
    tmp_path: Path,
    celery_worker: subprocess.Popen[bytes],
    how: signal.Signals,
) -> None:
    own, pids = tmp_path / "own", tmp_path / "pids"
    job_id = place.submit(does="hang", own=str(own), pids=str(pids))
    Doorbell(redis_url).ring("preprocess")
    started = [*pids_in(pids, 2), *pids_in(own, 1)]
    celery_worker.send_signal(how)
    celery_worker.wait(patient(10))
    wait_until(lambda: all(gone(pid) for pid in started), 5)
    job = place.job(job_id)
    politely = how == signal.SIGTERM
    assert (job.waiting, job.attempt) == ((True, 0) if politely else (False, 1))
