"""The ways in which an installation is disturbed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from chaos.faulty_store import Mood
from chaos.installation import Installation, Service
from chaos.recovery import Deaths
from chaos.witness import Witness
from parcela.jobs.records import Stage

ALL_GONE_WITHIN_S = 5.0
BEYOND_LEASE_S = 1.5
LONGEST_FREEZE_S = 6.0
LONGEST_MOOD_S = 3.0


KINDS = (
    "kill_worker",
    "kill_child",
    "freeze_worker_then_thaw",
    "freeze_worker_then_kill",
    "stop_worker",
    "kill_gateway",
    "restart_redis",
    "lose_last_second",
    "flush",
    "drop_replies",
    "freeze_redis",
    "store_fails",
    "store_is_slow",
    "disk_is_full",
    "ring_too_often",
    "older_job",
)


class Faults:
    """Does one fault after the other, each chosen by chance; every kind comes before any comes again."""

    def __init__(
        self,
        here: Installation,
        witness: Witness,
        chance: random.Random,
        kinds: Sequence[str] = KINDS,
    ) -> None:
        self._here, self._witness, self._chance = here, witness, chance
        self._kinds = kinds
        self._due: list[str] = []
        self._later: list[threading.Timer] = []
        self.older: dict[str, bytes] = {}
        self.deaths = Deaths()

    def next(self) -> str:
        """Do the next fault; its name."""
        if not self._due:
            self._due = self._chance.sample(self._kinds, len(self._kinds))
        name = self._due.pop()
        fault: Callable[[], None] = getattr(self, name)
        fault()
        return name

    def wait(self) -> None:
        """Until what the faults have set going is over."""
        for timer in self._later:
            timer.join()

    def kill_worker(self) -> None:
        self._kill(self._a_worker())

    def kill_child(self) -> None:
        children = [c for worker in self._here.workers for c in worker.children() if computes(c)]
        if children:
            self._chance.choice(children).kill()

    def freeze_worker_then_thaw(self) -> None:
        """It comes back when its lease is another's, and does not know."""
        worker = self._a_worker()
        worker.send(signal.SIGSTOP)
        self._after(self._beyond_lease_s, lambda: worker.send(signal.SIGCONT))

    def freeze_worker_then_kill(self) -> None:
        """It may take a bell with it that it never heard."""
        worker = self._a_worker()
        worker.send(signal.SIGSTOP)
        self._here.doorbell.ring("preprocess")
        self._after(self._beyond_lease_s, lambda: self._kill(worker))

    def stop_worker(self) -> None:
        self._a_worker().send(signal.SIGTERM)

    def kill_gateway(self) -> None:
        self._chance.choice(self._here.gateways).send(signal.SIGKILL)

    def freeze_redis(self) -> None:
        """Long enough for callers to be refused, and for no longer than a worker asks."""
        self._here.redis.signal(signal.SIGSTOP)
        time.sleep(self._chance.uniform(1, LONGEST_FREEZE_S))
        self._here.redis.signal(signal.SIGCONT)

    def store_fails(self) -> None:
        self._store_feels("failing")

    def store_is_slow(self) -> None:
        self._store_feels("slow")

    def disk_is_full(self) -> None:
        self._store_feels("full")

    def ring_too_often(self) -> None:
        """Bells for nothing, and bells that come many times."""
        stages: tuple[Stage, ...] = ("preprocess", "inference")
        for stage in self._chance.choices(stages, k=20):
            self._here.doorbell.ring(stage)

    def older_job(self) -> None:
        """As after an upgrade: a job that the release before left in the store."""
        scan = self._chance.randbytes(self._here.scale.size)
        self.older[self._here.leave_an_older_job(scan)] = scan

    def _store_feels(self, mood: Mood) -> None:
        self._here.feel(mood)
        time.sleep(self._chance.uniform(0.5, LONGEST_MOOD_S))
        self._here.feel("well")

    def restart_redis(self) -> None:
        with self._witness.blind():
            self.deaths.redis.append(time.time())
            self._here.redis.restart(signal.SIGKILL)

    def lose_last_second(self) -> None:
        """As after a power cut: what was appended in the last second never reached the disk."""
        (file,) = Path(self._here.redis.folder).glob("appendonlydir/*.incr.aof")
        reached = file.stat().st_size
        time.sleep(1)
        with self._witness.blind():
            self.deaths.redis.append(time.time())
            self._here.redis.stop(signal.SIGKILL)
            os.truncate(file, reached)
            self._here.redis.start()

    def flush(self) -> None:
        self.deaths.redis.append(time.time())
        self._witness.flush()

    def drop_replies(self) -> None:
        self._here.proxy.cut(self._chance.randint(1, 6))

    @property
    def _beyond_lease_s(self) -> float:
        return self._here.scale.lease_s + BEYOND_LEASE_S

    def _a_worker(self) -> Service:
        return self._chance.choice(self._here.workers)

    def _kill(self, worker: Service) -> None:
        """Kill a worker, and see that all it started is dead soon."""
        orphans = worker.children()
        self.deaths.workers.append((time.time(), worker.name))
        worker.send(signal.SIGKILL)
        self._after(ALL_GONE_WITHIN_S, lambda: self._all_gone(orphans))

    def _all_gone(self, orphans: list[psutil.Process]) -> None:
        alive = [orphan.pid for orphan in orphans if not gone(orphan)]
        if alive:
            self._witness.remarks.append(f"{alive} outlived their worker")

    def _after(self, seconds: float, do: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, do)
        timer.start()
        self._later.append(timer)


def computes(process: psutil.Process) -> bool:
    """Whether a process is a compute child."""
    try:
        return "parcela.jobs.child_main" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended (one that nobody has waited for yet has)."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
