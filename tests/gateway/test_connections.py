"""Connections: each has a time for its head, there is a most of them, and what is no HTTP is a problem document."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from gateway_server import Gateway, fail_once, gateway_process
from nifti_files import nifti
from parcela_gateway.budgets import connections
from patience import patient
from processes import wait_until
from slow_client import SlowClient

Start = Callable[..., Gateway]
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


def test_given_a_head_that_does_not_come_then_the_connection_is_closed(start: Start) -> None:
    gateway = start(head_timeout_s=1)
    with SlowClient(gateway.url) as half, SlowClient(gateway.url) as silent:
        half.send(GET)
        answer = half.answer()
        assert (answer.status, answer.slug) == (408, "slow-head")
        assert int(answer.headers["retry-after"]) > 0
        assert silent.answer().status == 0


def test_given_a_head_that_comes_a_byte_at_a_time_then_the_deadline_is_the_same(
    start: Start,
) -> None:
    gateway = start(head_timeout_s=0.3)
    begun = time.monotonic()
    with SlowClient(gateway.url) as client:
        try:
            for letter in GET * 100:
                client.send(bytes([letter]))
                time.sleep(0.02)
        except OSError:
            pass
    assert time.monotonic() - begun < patient(1)


def test_given_a_second_head_on_one_connection_then_it_has_its_own_deadline(start: Start) -> None:
    gateway = start(head_timeout_s=1.5)
    with SlowClient(gateway.url) as client:
        for _ in range(3):
            time.sleep(0.6)
            client.send(GET, b"\r\n")
            raw = b""
            while b"ok" not in raw:
                raw += client.socket.recv(65536)
        client.send(GET)
        assert client.answer().slug == "slow-head"


def test_given_a_request_that_takes_its_time_then_its_head_has_no_deadline_any_more(
    start: Start,
) -> None:
    gateway = start(head_timeout_s=1)
    events = gateway.http.stream("GET", f"/jobs/{gateway.accepted()}/events")
    with events as response:
        lines = response.iter_lines()
        next(lines)
        time.sleep(1.5)
        assert not response.is_closed
        fail_once(gateway.ledger)
        assert any("failed" in line for line in lines)


def test_given_what_is_no_http_then_it_is_a_problem_document(gateway: Gateway) -> None:
    with SlowClient(gateway.url) as client:
        answer = client.send(b"HELLO\r\n\r\n").answer()
    assert (answer.status, answer.slug) == (400, "bad-http")


def test_given_many_idle_connections_then_the_oldest_gives_way(start: Start) -> None:
    gateway = start(connections=4)
    with ExitStack() as stack:
        idle = [stack.enter_context(SlowClient(gateway.url)) for _ in range(6)]
        assert gateway.http.get("/healthz").status_code == 200
        assert idle[0].answer().status == 0
        assert idle[5].send(GET, b"Connection: close\r\n\r\n").answer().status == 200


def test_given_many_idle_connections_then_one_that_has_asked_before_is_kept(start: Start) -> None:
    gateway = start(connections=4)
    with ExitStack() as stack, SlowClient(gateway.url) as honest:
        for _ in range(3):
            honest.send(GET, b"\r\n")
            raw = b""
            while b"ok" not in raw:
                raw += honest.socket.recv(65536)
            for _ in range(6):
                stack.enter_context(SlowClient(gateway.url))
            wait_until(lambda: len(gateway.connections) <= 4)


def test_given_every_connection_busy_then_the_next_one_is_told_to_come_again(start: Start) -> None:
    gateway = start(connections=2)
    with ExitStack() as stack:
        busy = [stack.enter_context(SlowClient(gateway.url)) for _ in range(2)]
        for client in busy:
            client.upload(1000, b"x")
        wait_until(lambda: sum(not one.waits for one in gateway.connections) == 2)
        late = stack.enter_context(SlowClient(gateway.url))
        answer = late.send(GET, b"\r\n").answer()
        assert (answer.status, answer.slug) == (503, "too-many-connections")
        assert int(answer.headers["retry-after"]) > 0
    wait_until(lambda: gateway.http.get("/healthz").status_code == 200)


def test_given_an_answer_that_is_not_read_then_the_connection_is_given_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", 0.2)
    gateway = start()
    noise = np.random.default_rng(0).integers(0, 2**15, (160, 160, 160)).astype("int16")
    job_id = gateway.accepted(nifti(noise))
    with SlowClient(gateway.url) as client:
        client.send(f"GET /jobs/{job_id}/scan HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode())
        time.sleep(1)
        raw = client.answer()
    assert raw.status == 200
    assert len(raw.body) < int(raw.headers["content-length"])


def test_given_300_idle_connections_on_256_descriptors_then_it_answers_and_its_log_is_short(
    redis_url: str, tmp_path: Path
) -> None:
    with gateway_process(redis_url, tmp_path / "store", 256) as process:
        with ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(SlowClient(process.url))
            for _ in range(20):
                assert process.http.get("/healthz").status_code == 200
                assert process.http.get("/jobs").status_code == 200
        assert process.log.stat().st_size < 20_000, process.log.read_text()[:2000]
