"""One id, one scan, one execution: a model of what callers may see, against two gateways, a real store and Redis.

Hypothesis chooses what happens: uploads under few keys with few scans, some begun and finished later, some cut, sent
again, deleted; work done; a gateway restarted; Redis emptied.
"""

from __future__ import annotations

import gzip
import hashlib
import time
from collections import Counter
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples
from hypothesis import strategies as some
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway_server import MAP, SCAN, Gateway, serving, work_once
from nifti_files import image, nifti
from parcela.jobs.job_files import read_request
from parcela.jobs.keys import job_prefix, tombstone_key
from parcela.jobs.reconciler import Reconciler
from parcela.settings import Settings
from slow_client import END, SlowClient

SCANS = (SCAN, gzip.compress(nifti(image()[::-1]), 1, mtime=0))
KEYS = ("visit 1", "visit 2")
GATEWAYS = some.integers(0, 1)
MOMENT_S = 0.02  # in which a gateway takes in what was sent


class Begun(NamedTuple):
    """An upload of which the end has not been sent."""

    client: SlowClient
    key: str
    scan: int


class Callers(RuleBasedStateMachine):
    """What each key is: nothing yet, the job of one scan, or a job that was deleted."""

    chosen: Settings
    places: list[Gateway]
    stacks: list[ExitStack]
    begun = Bundle("begun")

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, tuple[str, int]] = {}
        self.deleted: dict[str, str] = {}
        self.ended: set[str] = set()
        self.clients: list[SlowClient] = []
        store = self.places[0].store
        for prefix in ("jobs", "tombstones"):
            store.delete(prefix)
        self.redis = self.places[0].ledger._redis
        self.redis.flushall()
        self.places[0].ledger.mark()

    def teardown(self) -> None:
        for client in self.clients:
            client.socket.close()
        time.sleep(MOMENT_S)

    @rule(key=some.sampled_from(KEYS), scan=some.integers(0, 1), at=GATEWAYS)
    def submit(self, key: str, scan: int, at: int) -> None:
        answer = self.places[at].submit(SCANS[scan], headers={"Idempotency-Key": key})
        job_id = answer.json().get("id", "")
        self._judge(key, scan, answer.status_code, job_id)

    @rule(
        key=some.sampled_from(KEYS),
        scan=some.integers(0, 1),
        at=GATEWAYS,
        cut=some.booleans(),
        target=begun,
    )
    def begin(self, key: str, scan: int, at: int, cut: bool) -> object:
        content = SCANS[scan]
        client = SlowClient(self.places[at].url)
        client.upload(len(content), content[: len(content) // 2], idempotency_key=key)
        time.sleep(MOMENT_S)
        if cut:
            client.socket.close()
            return multiple()
        self.clients.append(client)
        return Begun(client, key, scan)

    @rule(upload=consumes(begun))
    def finish(self, upload: Begun) -> None:
        content = SCANS[upload.scan]
        try:
            answer = upload.client.send(content[len(content) // 2 :], END).answer()
        except OSError:
            return  # its gateway was restarted
        if answer.status:
            self._judge(upload.key, upload.scan, answer.status, answer.document.get("id", ""))

    @precondition(lambda self: self.jobs)
    @rule(data=some.data(), at=GATEWAYS)
    def delete(self, data: some.DataObject, at: int) -> None:
        key = data.draw(some.sampled_from(sorted(self.jobs)))
        job_id, _ = self.jobs.pop(key)
        assert self.places[at].http.delete(f"/jobs/{job_id}").status_code == 204
        self.deleted[key] = job_id

    @rule()
    def work(self) -> None:
        gateway = self.places[0]
        work_once(gateway.ledger, gateway.store)
        self._reconcile()

    @rule(at=GATEWAYS)
    def restart(self, at: int) -> None:
        self.stacks[at].close()
        self.places[at] = self.stacks[at].enter_context(serving(self.chosen))

    @rule()
    def lose_memory(self) -> None:
        self.redis.flushall()
        self._reconcile()

    @invariant()
    def both_gateways_tell_the_same(self) -> None:
        for job_id, scan in self.jobs.values():
            told = [gateway.http.get(f"/jobs/{job_id}").json() for gateway in self.places]
            assert told[0]["status"] == told[1]["status"], told
            assert read_request(self.places[0].store, job_id).sha256 == sha256(SCANS[scan])
            assert job_id not in self.ended or told[0]["status"] == "done", told
            if told[0]["status"] == "done":
                self.ended.add(job_id)
                assert self.places[1].http.get(f"/jobs/{job_id}/result").content == MAP

    @invariant()
    def what_is_deleted_stays_so(self) -> None:
        for job_id in self.deleted.values():
            assert {g.http.get(f"/jobs/{job_id}").status_code for g in self.places} == {410}
            assert list(self.places[0].store.list(job_prefix(job_id))) == []
            assert self.places[0].store.stat(tombstone_key(job_id)) is not None

    @invariant()
    def no_job_ends_twice(self) -> None:
        ends = Counter(e.id for e in self.places[0].ledger.log() if e.became == "done" != e.was)
        assert not [job_id for job_id, count in ends.items() if count > 1]

    def _judge(self, key: str, scan: int, status: int, job_id: str) -> None:
        """The answer to a whole upload: by what its key is at this moment."""
        if key in self.deleted:
            assert status == 410
        elif key not in self.jobs:
            assert status == 202
            self.jobs[key] = (job_id, scan)
        elif self.jobs[key][1] == scan:
            assert (status, job_id) == (202, self.jobs[key][0])
        else:
            assert status == 422

    def _reconcile(self) -> None:
        service = self.places[0].service
        Reconciler(service.ledger, service.store, service.doorbell, self.chosen).run_once()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def play(settings: Settings, count: int, steps: int) -> None:
    """So many examples of so many steps, on two gateways of one installation."""
    with ExitStack() as stack:
        stacks = [stack.enter_context(ExitStack()) for _ in range(2)]
        places = [each.enter_context(serving(settings)) for each in stacks]
        machine = type(
            "Machine", (Callers,), {"chosen": settings, "places": places, "stacks": stacks}
        )
        run_state_machine_as_test(
            machine,
            settings=examples(
                max_examples=count,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.parametrize("either_store", ["folder"], indirect=True)
def test_given_any_few_steps_on_two_gateways_then_each_id_is_one_scan_and_ends_once(
    either_store: Settings,
) -> None:
    play(either_store, count=5, steps=7)


@pytest.mark.slow
def test_given_any_many_steps_on_two_gateways_then_each_id_is_one_scan_and_ends_once(
    either_store: Settings,
) -> None:
    play(either_store, count=40, steps=30)
