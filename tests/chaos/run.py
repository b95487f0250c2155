"""One run: jobs come in while faults happen; then quiet, until every job has ended; then the verdict."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.checker import Evidence, redeliveries, violations
from chaos.faults import KINDS, Faults
from chaos.installation import Installation
from chaos.stub_stage import RESULT, undisturbed
from chaos.witness import Witness
from cutting_proxy import CuttingProxy
from parcela.jobs.job_files import read_outcome
from parcela.jobs.keys import job_prefix, outcome_key, stage_key
from parcela.jobs.reconciler import Reconciler
from parcela.store.store import NotStored, read
from redis_server import RedisServer

LONGEST_PAUSE_S = 2.0
ALL_DONE_WITHIN_S = 180.0
DELETED = 0.2  # of all jobs


@dataclass
class Plan:
    """How much of what."""

    jobs: int
    faults: int
    workers: int
    seed: int
    kinds: Sequence[str] = KINDS


@dataclass
class Report:
    """What came of a run."""

    violations: list[str]
    faults: Counter[str]
    redeliveries: int
    cuts: int
    eras: int
    seconds: float


def run(plan: Plan, folder: Path, redis: RedisServer, say: Callable[[str], object]) -> Report:
    """Disturb an installation, and judge.

    Args:
        plan: how much of what.
        folder: an empty folder for the store and the logs.
        redis: a server to be killed at will.
        say: told what happens.
    """
    begun, chance, happened = time.monotonic(), random.Random(plan.seed), Counter[str]()
    with _installation(plan, folder, redis) as (here, witness):
        faults = Faults(here, witness, chance, plan.kinds)
        expected: dict[str, bytes] = {}
        for moment in _shuffled(plan, chance):
            if moment == "job":
                request, scan = here.accept(chance)
                expected[request.id] = undisturbed(scan)
                witness.accepted.add(request.id)
            elif moment == "delete" and (alive := sorted(witness.accepted - witness.deleted)):
                _delete(here, witness, chance.choice(alive))
            elif moment == "fault":
                time.sleep(chance.uniform(0.1, LONGEST_PAUSE_S))
                happened[name := faults.next()] += 1
                say(f"{time.monotonic() - begun:6.1f} s  {name}")
            here.keep_alive()
        faults.wait()
        _until_quiet(here, expected.keys() - witness.deleted)
        say(f"{time.monotonic() - begun:6.1f} s  quiet")
    evidence = _evidence(here, witness, expected)
    return Report(
        violations(evidence),
        happened,
        redeliveries(evidence),
        here.proxy.cuts,
        len(witness.eras),
        time.monotonic() - begun,
    )


@contextmanager
def _installation(
    plan: Plan, folder: Path, redis: RedisServer
) -> Iterator[tuple[Installation, Witness]]:
    with CuttingProxy(redis.socket) as proxy:
        here = Installation(folder, redis, proxy, plan.workers)
        witness = Witness(here, folder / "log.jsonl")
        here.keep_alive()
        witness.start()
        try:
            yield here, witness
        finally:
            here.end()
            witness.stop()


def _shuffled(plan: Plan, chance: random.Random) -> list[str]:
    """What happens, in which order: half of the jobs are there from the start."""
    first = plan.jobs // 2
    rest = ["job"] * (plan.jobs - first) + ["fault"] * plan.faults
    rest += ["delete"] * int(plan.jobs * DELETED)
    return ["job"] * first + chance.sample(rest, len(rest))


def _delete(here: Installation, witness: Witness, job_id: str) -> None:
    witness.deleted.add(job_id)
    here.delete(job_id)


def _until_quiet(here: Installation, expected: set[str]) -> None:
    """Until every job has ended and its outcome is in the store, or it has taken too long."""
    deadline = time.monotonic() + ALL_DONE_WITHIN_S
    while time.monotonic() < deadline:
        here.keep_alive()
        if all(here.store.stat(outcome_key(job_id)) for job_id in expected):
            return
        time.sleep(0.2)


def _evidence(here: Installation, witness: Witness, expected: dict[str, bytes]) -> Evidence:
    """Read the store and the ledger, once the whole store has been looked through a last time."""
    reconciler = Reconciler(here.ledger, here.store, here.doorbell)
    reconciler.run_once()
    reconciler.compare(recovering=False)
    found = Evidence(expected, witness.deleted, witness.eras, remarks=witness.remarks)
    for job_id in expected:
        found.left[job_id] = sum(1 for _ in here.store.list(job_prefix(job_id)))
        if (job := here.ledger.get(job_id)) is not None:
            found.rows[job_id] = job
        try:
            outcome = read_outcome(here.store, job_id)
            found.outcomes[job_id] = outcome
            key = stage_key(job_id, "inference", outcome.token or "none", RESULT)
            found.results[job_id] = read(here.store, key)
        except NotStored:
            pass
    return found
