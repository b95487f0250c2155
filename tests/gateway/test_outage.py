"""Redis or the store away: what is known is told, what is not is 503, and what was taken is kept."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway_server import MAP, SCAN, serving, work_once
from parcela.jobs.keys import outcome_key, request_key
from parcela.jobs.records import JobRequest, Outcome
from parcela.jobs.redis_client import ANSWER_S
from parcela.settings import Settings
from parcela_gateway.upload.submission import _accept
from patience import patient
from processes import wait_until
from redis_server import RedisServer, own_redis

__all__ = ["own_redis"]


@pytest.mark.slow  # each call gives Redis some seconds to come back
def test_given_redis_dies_when_polled_then_a_finished_job_is_told_and_others_are_503(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    with serving(Settings(redis=own_redis.url, store=str(tmp_path / "store"))) as gateway:
        done = gateway.done()
        job = gateway.ledger.get(done)
        assert job is not None
        gateway.store.put(outcome_key(done), Outcome.of(job).to_json().encode())
        waiting = gateway.accepted()
        own_redis.stop()

        assert gateway.http.get(f"/jobs/{done}").json()["status"] == "done"
        assert gateway.http.get(f"/jobs/{done}/result").content == MAP
        for response in (
            gateway.http.get(f"/jobs/{waiting}"),
            gateway.http.get("/jobs"),
            gateway.submit(),
        ):
            assert response.status_code == 503
            assert response.json()["type"] == "/docs#ledger-unavailable"
            assert response.headers["retry-after"]
        assert "parcela_jobs_waiting" not in gateway.http.get("/metrics").text
        assert gateway.http.get("/readyz").json()["ledger"] != "ok"

        own_redis.start()
        wait_until(lambda: gateway.http.get(f"/jobs/{waiting}").status_code == 200)
        assert gateway.http.get(f"/jobs/{waiting}").json()["status"] == "queued"


def test_given_a_frozen_redis_when_many_poll_then_each_is_told_soon_and_the_rest_goes_on(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    with serving(Settings(redis=own_redis.url, store=str(tmp_path / "store"))) as gateway:
        job_id = gateway.accepted()
        own_redis.signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(60) as threads:
                begun = time.monotonic()
                polls = [threads.submit(gateway.http.get, f"/jobs/{job_id}") for _ in range(60)]
                time.sleep(0.2)
                assert gateway.http.get("/models").status_code == 200
                assert not any(poll.done() for poll in polls)  # in threads of their own
                assert {poll.result().status_code for poll in polls} == {503}
            assert time.monotonic() - begun < patient(6)
            begun = time.monotonic()
            assert gateway.http.delete(f"/jobs/{job_id}").status_code == 503
            assert gateway.http.get(f"/jobs/{job_id}").status_code in (410, 503)
            assert (
                time.monotonic() - begun < 2 * ANSWER_S
            )  # and not so long for each of its questions
        finally:
            own_redis.signal(signal.SIGCONT)
        wait_until(lambda: gateway.http.delete(f"/jobs/{job_id}").status_code == 204)


def test_given_redis_dies_when_a_scan_has_been_committed_then_the_job_is_accepted(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    with serving(Settings(redis=own_redis.url, store=str(tmp_path / "store"))) as gateway:
        job_id = gateway.accepted(SCAN)
        with gateway.store.open(request_key(job_id)) as file:
            request = JobRequest.from_json(file.read())
        own_redis.stop()
        job = _accept(gateway.service, request)
        assert (job.id, job.status, job.waiting) == (job_id, "queued", True)


def test_given_redis_was_emptied_when_the_gateway_reconciles_then_the_job_is_done(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    settings = Settings(redis=own_redis.url, store=str(tmp_path / "store"), reconcile_s=0.05)
    with serving(settings, reconcile=True) as gateway:
        job_id = gateway.accepted()
        own_redis.client.flushall()
        assert gateway.http.get(f"/jobs/{job_id}").json()["status"] == "queued"
        for _ in range(200):
            work_once(gateway.ledger, gateway.store)
            if gateway.http.get(f"/jobs/{job_id}").json()["status"] == "done":
                break
        assert gateway.http.get(f"/jobs/{job_id}/result").content == MAP


def test_given_a_store_that_is_away_when_submitted_then_it_is_503(redis_url: str) -> None:
    settings = Settings(
        redis=redis_url, store="http://127.0.0.1:9/none", store_access_key="a", store_secret_key="b"
    )
    with serving(settings) as gateway:
        response = gateway.submit()
        assert (response.status_code, response.json()["type"]) == (503, "/docs#store-unavailable")
        assert int(response.headers["retry-after"]) > 0
