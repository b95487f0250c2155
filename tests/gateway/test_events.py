"""Progress as it happens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from gateway_server import VERDICT, Gateway, fail_once, working
from parcela.jobs.job_files import erase_job
from parcela.jobs.ledger import LedgerUnavailable
from parcela.jobs.records import Job
from parcela_gateway.routes import jobs as job_routes
from processes import wait_until


def events(gateway: Gateway, job_id: str = "", *, path: str = "") -> Iterator[tuple[str, Any]]:
    """What a listener hears, until the stream ends; a heartbeat is a ``ping``."""
    with gateway.http.stream("GET", path or f"/jobs/{job_id}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in response.iter_lines():
            if line.startswith(":"):
                yield "ping", {}
            elif line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                said = line.removeprefix("data: ")
                yield kind, said if kind == "gone" else json.loads(said)


def test_given_a_job_when_followed_then_each_state_is_told_and_the_end_ends_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_routes, "LOOK_S", 0.01)
    job_id = gateway.accepted()
    listener = events(gateway, job_id)
    heard = [next(listener)]
    with working(gateway, stages=2):
        heard += listener
    assert {kind for kind, _ in heard} == {"job"}
    told = [job["status"] for _, job in heard]
    assert told[0] == "queued"
    assert told[-1] == "done"
    assert heard[-1][1] == gateway.http.get(f"/jobs/{job_id}").json()
    assert [job["quality"] for _, job in heard] == [None] * (len(heard) - 1) + [
        VERDICT.model_dump(mode="json")
    ]


def test_given_a_job_that_has_ended_when_followed_then_it_is_told_once(gateway: Gateway) -> None:
    job_id = gateway.accepted()
    fail_once(gateway.ledger)
    ((kind, job),) = events(gateway, job_id)
    assert (kind, job["status"], job["problem"]["type"]) == ("job", "failed", "/docs#step-failed")


def test_given_a_job_that_waits_when_followed_then_a_heart_beats(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_routes, "HEARTBEAT_S", 0.05)
    heard = events(gateway, gateway.accepted())
    assert [next(heard)[0] for _ in range(3)] == ["job", "ping", "ping"]


def test_given_a_job_when_deleted_meanwhile_then_the_listener_is_told(gateway: Gateway) -> None:
    job_id = gateway.accepted()
    heard = events(gateway, job_id)
    next(heard)
    threading.Timer(0.1, lambda: gateway.http.delete(f"/jobs/{job_id}")).start()
    told = list(heard)
    kind, last = told[-1]
    assert (kind, last["status"], last["type"]) == ("problem", 410, "/docs#job-deleted")


def test_given_a_deletion_that_takes_its_time_then_the_last_event_is_the_problem_all_the_same(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_routes, "LOOK_S", 0.01)
    job_id = gateway.accepted()
    heard = events(gateway, job_id)
    next(heard)
    gateway.ledger.cancel(job_id)
    time.sleep(0.2)  # a listener looks in the midst of it
    erase_job(gateway.ledger, gateway.store, job_id, "local")
    assert [(kind, said["status"]) for kind, said in heard] == [("problem", 410)]


def test_given_a_job_that_is_cancelled_and_not_erased_then_that_is_told_in_the_end(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_routes, "LOOK_S", 0.01)
    monkeypatch.setattr(job_routes, "DELETED_WITHIN_S", 0.1)
    job_id = gateway.accepted()
    heard = events(gateway, job_id)
    next(heard)
    gateway.ledger.cancel(job_id)
    assert [(kind, said["status"]) for kind, said in heard] == [("job", "cancelled")]


def test_given_many_listeners_then_the_ledger_is_asked_once_for_all_of_them(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [gateway.accepted() for _ in range(3)]
    questions: list[int] = []
    whole = gateway.ledger.several

    def several(ids: Iterable[str]) -> list[Job]:
        questions.append(len(list(ids)))
        return whole(ids)

    with ExitStack() as stack:
        streams = [
            stack.enter_context(gateway.http.stream("GET", f"/jobs/{job}/events"))
            for job in jobs * 5
        ]
        listening = [stream.iter_lines() for stream in streams]
        assert all(next(lines) for lines in listening)
        time.sleep(0.6)
        monkeypatch.setattr(gateway.ledger, "several", several)
        begun = time.monotonic()
        wait_until(lambda: len(questions) >= 3)
        looks = 1 + (time.monotonic() - begun) / job_routes.LOOK_S
        monkeypatch.undo()
    assert 3 <= len(questions) <= looks + 1  # every half second, and not thirty times that
    assert set(questions) == {3}


def test_given_a_caller_with_too_many_streams_then_another_is_refused_until_one_ends(
    start: Callable[..., Gateway],
) -> None:
    gateway = start(listeners_each=2)
    path = f"/jobs/{gateway.accepted()}/events"
    with gateway.http.stream("GET", path), gateway.http.stream("GET", "/events"):
        for refused in (
            gateway.http.get(path),
            gateway.http.get("/events"),
            gateway.submit(headers={"Accept": "application/gzip"}),
        ):
            assert (refused.status_code, refused.json()["type"]) == (
                429,
                "/docs#too-many-listeners",
            )
            assert int(refused.headers["retry-after"]) > 0
        assert len(gateway.http.get("/jobs").json()["jobs"]) == 1

    def taken() -> bool:
        with gateway.http.stream("GET", path) as response:
            return response.status_code == 200

    wait_until(taken)


def test_given_several_jobs_when_all_are_followed_then_each_is_told_and_then_what_changes(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_routes, "LIST_LOOK_S", 0.01)
    ended = gateway.done()
    waiting = gateway.accepted()
    heard = events(gateway, path="/events")
    first = [next(heard) for _ in range(3)]
    assert [(kind, job["id"], job["status"]) for kind, job in first[:2]] == [
        ("job", ended, "done"),
        ("job", waiting, "queued"),
    ]
    assert first[2] == ("listed", 2)
    fail_once(gateway.ledger)
    changed = [next(heard) for _ in range(2)]
    assert (changed[0][1]["id"], changed[0][1]["status"]) == (waiting, "failed")
    gateway.http.delete(f"/jobs/{ended}")
    assert next(heard) == ("gone", ended)


def test_given_no_job_when_all_are_followed_then_it_is_said_and_a_heart_beats(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_routes, "LIST_LOOK_S", 0.01)
    monkeypatch.setattr(job_routes, "HEARTBEAT_S", 0.05)
    heard = events(gateway, path="/events")
    assert next(heard) == ("listed", 0)
    assert next(heard)[0] == "ping"


def test_given_the_ledger_away_when_all_are_followed_then_the_stream_goes_on(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_routes, "LIST_LOOK_S", 0.01)
    heard = events(gateway, path="/events")
    assert next(heard) == ("listed", 0)
    answers = iter([LedgerUnavailable("Redis does not answer")])
    whole = gateway.ledger.jobs

    def jobs(owner: str, limit: int) -> list[Job]:
        for error in answers:
            raise error
        return whole(owner, limit)

    monkeypatch.setattr(gateway.ledger, "jobs", jobs)
    job_id = gateway.accepted()
    assert next(heard)[1]["id"] == job_id
    assert list(answers) == []
