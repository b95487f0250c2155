"""Slow uploads, and many: who sends nothing holds no place, who is slow gives it up, and callers share them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import anyio
import numpy as np
import pytest

from gateway_server import Gateway
from nifti_files import nifti
from parcela_gateway.budgets import places
from parcela_gateway.budgets.places import Places, TooBusy
from parcela_gateway.upload import body
from patience import patient
from processes import wait_until
from slow_client import SlowClient

Start = Callable[..., Gateway]
ALICE, BOB = "a" * 32, "b" * 32
NOISE = nifti(np.random.default_rng(0).integers(0, 2**15, (64, 64, 64)).astype("int16"))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_given_uploads_of_a_byte_then_they_hold_no_place(start: Start) -> None:
    gateway = start(uploads=2)
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(SlowClient(gateway.url)).upload(len(NOISE), b"\x5c")
        begun = time.monotonic()
        assert gateway.accepted()
        assert time.monotonic() - begun < patient(0.5)


def test_given_an_upload_that_slackens_when_another_waits_then_it_gives_its_place_up(
    start: Start,
) -> None:
    gateway = start(uploads=1, upload_rate=10**6)
    with SlowClient(gateway.url) as slow:
        slow.upload(len(NOISE), NOISE[:70_000])
        wait_until(lambda: gateway.service.uploads._held.total() == 1)
        assert gateway.accepted()
        answer = slow.answer()
    assert (answer.status, answer.slug) == (503, "too-busy")
    assert int(answer.headers["retry-after"]) > 0
    assert len(gateway.stored()) == 2


def test_given_an_upload_below_the_least_rate_then_it_is_cut(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "GRACE_S", 0.2)
    gateway = start()
    with SlowClient(gateway.url) as slow:
        slow.upload(len(NOISE), NOISE[:100])
        answer = slow.answer()
    assert (answer.status, answer.slug) == (408, "upload-stalled")
    assert int(answer.headers["retry-after"]) > 0
    assert "8192 bytes" in answer.body.decode()
    assert gateway.stored() == []


def test_given_an_upload_without_an_end_then_it_is_cut(start: Start) -> None:
    gateway = start(upload_timeout_s=0.5)
    with SlowClient(gateway.url) as endless:
        endless.upload(len(NOISE), NOISE[:200_000])
        answer = endless.answer()
    assert (answer.status, answer.slug) == (408, "upload-stalled")
    assert int(answer.headers["retry-after"]) > 0
    assert "0.5 s" in answer.body.decode()


def test_given_one_caller_with_many_uploads_then_another_has_a_place_and_the_first_is_told(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "WAIT_S", 0.3)
    gateway = start(uploads=3, uploads_each=2, api_keys=f"{ALICE},{BOB}")
    with ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(SlowClient(gateway.url))
            client.upload(len(NOISE), NOISE[:400_000], key=ALICE)
        wait_until(lambda: gateway.service.uploads._held.total() == 2)
        assert gateway.submit(headers=bearer(BOB)).status_code == 202
        response = gateway.submit(headers=bearer(ALICE))
    assert (response.status_code, response.json()["type"]) == (503, "/docs#too-busy")
    assert int(response.headers["retry-after"]) > 0


def test_given_callers_that_wait_when_a_place_is_free_then_who_has_fewest_comes_first() -> None:
    order: list[str] = []

    async def take(shared: Places, caller: str, end: anyio.Event) -> None:
        async with shared.one(caller):
            order.append(caller)
            await end.wait()

    async def main() -> None:
        shared, first, rest = Places(2, 2), anyio.Event(), anyio.Event()
        async with anyio.create_task_group() as tasks:
            for caller, end in (("a", first), ("a", rest), ("a", rest), ("b", rest)):
                tasks.start_soon(take, shared, caller, end)
                await anyio.sleep(0)
            assert shared.wanted
            first.set()
            await anyio.sleep(0.01)
            assert order == ["a", "a", "b"]
            rest.set()
        assert order == ["a", "a", "b", "a"]
        assert not shared.wanted

    anyio.run(main)


def test_given_no_place_for_some_time_then_the_caller_is_told_and_the_place_stays_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "WAIT_S", 0.01)

    async def main() -> None:
        shared = Places(1, 1)
        async with shared.one("a"):
            with pytest.raises(TooBusy):
                async with shared.one("b"):
                    pass
        async with shared.one("b"):
            pass

    anyio.run(main)
