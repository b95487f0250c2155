"""What is too much: a file over the limit, a full queue, one caller's jobs beside another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gateway_server import Gateway
from nifti_files import nifti

Start = Callable[..., Gateway]


@pytest.mark.parametrize("sized", [True, False])
def test_given_a_file_over_the_limit_when_sent_then_it_is_413(start: Start, sized: bool) -> None:
    gateway = start(max_bytes=1_000_000)
    noise = np.random.default_rng(0).integers(0, 2**15, (64, 64, 150)).astype("int16")
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + nifti(noise) + b"\r\n--x--"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    content: Any = body if sized else iter([body[:700_000], body[700_000:]])
    response = gateway.http.post("/predict/", content=content, headers=headers)
    assert (response.status_code, response.json()["type"]) == (413, "/docs#too-large")
    assert gateway.stored() == []
    assert gateway.http.get("/healthz").status_code == 200


def test_given_a_full_queue_when_submitted_then_it_says_when_to_come_again(start: Start) -> None:
    gateway = start(max_waiting=2)
    assert [gateway.submit().status_code for _ in range(3)] == [202, 202, 429]
    response = gateway.submit()
    assert int(response.headers["retry-after"]) > 0
    assert len(gateway.stored()) == 4


def test_given_a_caller_with_many_jobs_then_one_must_go_before_the_next(start: Start) -> None:
    gateway = start(jobs_each=2)
    first, _ = gateway.done(), gateway.done()
    response = gateway.submit()
    assert (response.status_code, response.json()["type"]) == (429, "/docs#too-many-jobs")
    assert int(response.headers["retry-after"]) > 0
    assert gateway.http.delete(f"/jobs/{first}").status_code == 204
    assert gateway.accepted()


def test_given_one_callers_full_queue_then_another_is_taken_all_the_same(start: Start) -> None:
    alice, bob = ({"Authorization": f"Bearer {letter * 32}"} for letter in "ab")
    gateway = start(max_waiting=3, max_waiting_each=2, api_keys=f"{'a' * 32},{'b' * 32}")
    assert [gateway.submit(headers=alice).status_code for _ in range(3)] == [202, 202, 429]
    assert [gateway.submit(headers=bob).status_code for _ in range(2)] == [202, 429]
    full = start(max_waiting=1, max_waiting_each=2, api_keys=f"{'a' * 32},{'c' * 32}")
    other = {"Authorization": f"Bearer {'c' * 32}"}
    assert full.submit(headers=other).status_code == 202  # none of theirs waits yet
