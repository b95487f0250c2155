"""One run: jobs come in while faults happen; then quiet, until every job has ended; then the verdict."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.checker import Evidence, redeliveries, violations
from chaos.faults import KINDS, Faults
from chaos.installation import Installation, Scale
from chaos.recovery import after_redis, after_workers
from chaos.stub_stage import RESULT, undisturbed
from chaos.witness import Witness
from cutting_proxy import CuttingProxy
from parcela.errors import ParcelaError
from parcela.jobs.job_files import read_outcome
from parcela.jobs.keys import job_prefix, outcome_key, stage_key
from parcela.jobs.reconciler import Reconciler
from parcela.store.store import NotStored, read
from redis_server import RedisServer

LONGEST_PAUSE_S = 2.0
ALL_DONE_WITHIN_S = 180.0
JOB_S = 2.0
CALLERS = 4
DELETED = 0.2  # of all jobs


@dataclass
class Plan:
    """How much of what."""

    jobs: int
    faults: int
    scale: Scale
    seed: int
    kinds: Sequence[str] = KINDS
    pause_s: float = LONGEST_PAUSE_S


@dataclass
class Report:
    """What came of a run; recovery in seconds, see `chaos.recovery`."""

    violations: list[str]
    faults: Counter[str]
    redeliveries: int
    cuts: int
    eras: int
    seconds: float
    jobs: int
    deleted: int
    after_workers: list[float]
    after_both: list[float]
    after_redis: list[float]


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
        callers = Callers(here, witness, plan)
        for _ in range(plan.faults):
            here.keep_alive()
            time.sleep(chance.uniform(0.1, plan.pause_s))
            happened[name := faults.next()] += 1
            say(f"{time.monotonic() - begun:6.1f} s  {name}")
        while not callers.wait(0.5):
            here.keep_alive()
        faults.wait()
        expected = callers.expected | {
            id: undisturbed(scan, plan.scale.size) for id, scan in faults.older.items()
        }
        say(
            f"{time.monotonic() - begun:6.1f} s  {len(expected)} jobs, {len(witness.deleted)} deleted"
        )
        _until_quiet(here, expected.keys() - witness.deleted)
        say(f"{time.monotonic() - begun:6.1f} s  quiet")
    evidence = _evidence(here, witness, expected)
    log = [entry for era in witness.eras for entry in era]
    return Report(
        violations(evidence) + callers.complaints,
        happened,
        redeliveries(evidence),
        here.proxy.cuts,
        len(witness.eras),
        time.monotonic() - begun,
        len(expected),
        len(witness.deleted),
        after_workers(faults.deaths, log),
        after_workers(faults.deaths, log, redis_too=True),
        after_redis(faults.deaths, log),
    )


class Callers:
    """Four callers who submit, and delete now and then, while the faults happen."""

    def __init__(self, here: Installation, witness: Witness, plan: Plan) -> None:
        self._here, self._witness, self._size = here, witness, plan.scale.size
        self.expected: dict[str, bytes] = {}
        self.complaints: list[str] = []
        self._pool = ThreadPoolExecutor(CALLERS)
        self._errands = [
            self._pool.submit(self._errand, plan.seed + number) for number in range(plan.jobs)
        ]

    def wait(self, seconds: float) -> bool:
        """Whether all have done what they came for, after so long at most."""
        return not wait(self._errands, seconds).not_done

    def _errand(self, seed: int) -> None:
        chance = random.Random(seed)
        try:
            for job in self._here.caller.submit(chance):
                self.expected[job.id] = undisturbed(job.scan, self._size)
                self._witness.accepted.add(job.id)
            alive = sorted(self._witness.accepted - self._witness.deleted)
            if alive and chance.random() < DELETED:
                self._delete(chance.choice(alive))
        except (AssertionError, ParcelaError) as error:
            self.complaints.append(f"a caller was left without an answer: {error!r}")

    def _delete(self, job_id: str) -> None:
        self._witness.deleted.add(job_id)
        self._here.caller.delete(job_id)


@contextmanager
def _installation(
    plan: Plan, folder: Path, redis: RedisServer
) -> Iterator[tuple[Installation, Witness]]:
    with CuttingProxy(redis.socket) as proxy:
        here = Installation(folder, redis, proxy, plan.scale)
        witness = Witness(here, folder / "log.jsonl")
        here.keep_alive()
        witness.start()
        try:
            yield here, witness
        finally:
            here.end()
            witness.stop()


def _until_quiet(here: Installation, expected: set[str]) -> None:
    """Until every job has ended and its outcome is in the store, or it has taken too long."""
    deadline = time.monotonic() + ALL_DONE_WITHIN_S + JOB_S * len(expected)
    left = set(expected)
    while left and time.monotonic() < deadline:
        here.keep_alive()
        left = {job_id for job_id in left if here.store.stat(outcome_key(job_id)) is None}
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
