"""Progress as it happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gateway_server import VERDICT, Gateway, fail_once, working
from parcela.jobs.ledger import LedgerUnavailable
from parcela.jobs.records import Job
from parcela_gateway.routes import jobs as job_routes


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
    assert (kind, last.get("status")) in {("problem", 410), ("job", "cancelled")}


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
