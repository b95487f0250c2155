"""The worker's own process: takes a job, has its child compute a stage, keeps the lease, says how it ended.

Nothing heavy is imported here, and nothing computed: this process must be able to renew a lease, see a limit passed or
a cancellation, and kill, while ANTs or a network has the child to itself.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from parcela.errors import LimitExceeded, ParcelaError
from parcela.jobs.child import ComputeChild
from parcela.jobs.child_main import Failed, Finished, StageOrder, StepBegun
from parcela.jobs.job_files import write_outcome
from parcela.jobs.keys import request_key, stage_prefix
from parcela.jobs.ledger import Claim, Ledger, LedgerUnavailable
from parcela.jobs.records import STAGES, Problem, Stage
from parcela.processes.child import Limits
from parcela.processes.isolation import NoRoom
from parcela.settings import Settings
from parcela.settings import settings as current_settings
from parcela.store.store import Store, StoreUnavailable

log = logging.getLogger("parcela.jobs.worker")

TICK_S = 0.25
RENEW_AT_MOST_S = 2.0  # so that a cancelled job soon stops
PAUSE_S = 5.0  # while the store or the ledger is away

NOBODYS_FAULT = {StoreUnavailable.slug, NoRoom.slug}  # an attempt that ends so does not count
Verdict = Finished | Failed | Literal["lost", "stopped", "no room"]


def worker_name() -> str:
    """The name of this process among all workers: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass
class Worker:
    """Does one stage of one job at a time.

    Attributes:
        stage: which stage's jobs.
        ledger, store: the installation's.
        child: what computes; kept between jobs.
        ring: the doorbell of the stage that comes next.
        settings: lease and limits.
        stopping: set it, and the job at hand is given back.
    """

    stage: Stage
    ledger: Ledger
    store: Store
    child: ComputeChild
    ring: Callable[[Stage], object]
    settings: Settings = field(default_factory=current_settings)
    stopping: threading.Event = field(default_factory=threading.Event)
    name: str = field(default_factory=worker_name)

    def work_once(self) -> bool:
        """Take the oldest waiting job and do the stage. False when there was none, or the ledger is away."""
        if self.stopping.is_set():
            return False
        try:
            claim = self.ledger.claim(self.stage, self.name, self.settings.lease_s)
        except LedgerUnavailable as error:
            log.warning("%s", error)
            return False
        if claim is None:
            return False
        log.info("job %s: %s, attempt %d", claim.job.id, claim.stage, claim.job.attempt)
        verdict = self._attempt(claim)
        if not isinstance(verdict, Finished):
            self._end_child(verdict)
        self._say_how_it_ended(claim, verdict)
        return True

    # ------------------------------------------------------------------------------------------------- while it runs

    def _attempt(self, claim: Claim) -> Verdict:
        """Have the child compute the stage, and watch over it."""
        job = claim.job
        self.child.begin(
            StageOrder(job_id=job.id, stage=claim.stage, token=claim.token, tokens=job.tokens)
        )
        lease = Lease(self.ledger, claim, self.settings)
        while not self.stopping.is_set():
            said = self.child.receive(TICK_S)
            if isinstance(said, Finished):
                return said
            if isinstance(said, Failed):
                return "no room" if said.problem.slug in NOBODYS_FAULT else said
            if isinstance(said, StepBegun):
                lease.on_progress(said)
            if passed := lease.limit_passed(self.child.resident_mb()):
                return Failed(problem=Problem.of(passed), retry=True)
            if not lease.held():
                return "lost"
        return "stopped"

    def _end_child(self, verdict: Verdict) -> None:
        """End a child that still computes, or in which something went wrong; bad input harms nobody."""
        if not isinstance(verdict, Failed) or verdict.retry:
            self.child.kill()

    # ---------------------------------------------------------------------------------------------------- at the end

    def _say_how_it_ended(self, claim: Claim, verdict: Verdict) -> None:
        match verdict:
            case Finished():
                self._report(
                    claim, lambda: self.ledger.advance(claim, verdict.seconds, verdict.quality)
                )
            case Failed():
                log.warning("job %s: %s", claim.job.id, verdict.problem.detail)
                self._report(
                    claim,
                    lambda: self.ledger.fail(
                        claim, verdict.problem, verdict.retry, verdict.again_from
                    ),
                )
            case "lost":
                log.warning("job %s is another's, or was cancelled", claim.job.id)
                self._clear_up(claim)
            case "stopped" | "no room":
                self._report(claim, lambda: self.ledger.release(claim))
                if verdict == "no room":
                    log.warning("the store or the disk fails: job %s was given back", claim.job.id)
                    self.stopping.wait(PAUSE_S)

    def _report(self, claim: Claim, say: Callable[[], str]) -> None:
        """Tell the ledger, however long it is away: the work is done and must not be lost."""
        started = time.monotonic()
        while True:
            try:
                answer = say()
                break
            except LedgerUnavailable as error:
                if (
                    self.stopping.is_set()
                    or time.monotonic() - started > self.settings.job_timeout_s
                ):
                    log.warning("job %s: %s; its lease will end", claim.job.id, error)
                    return
                self.stopping.wait(PAUSE_S)
        log.info("job %s: %s, then %s", claim.job.id, claim.stage, answer)
        if answer == "next":
            stages = STAGES[claim.job.kind]
            self.ring(stages[stages.index(claim.stage) + 1])
        elif answer in ("done", "failed"):
            self._record(claim.job.id)
        elif answer == "lost":
            self._clear_up(claim)

    def _record(self, job_id: str) -> None:
        """Write the outcome of a job that has ended; if that fails, the reconciler does it."""
        try:
            job = self.ledger.get(job_id)
            if job is None or not job.ended or self.store.stat(request_key(job_id)) is None:
                return
            write_outcome(self.store, job)
            self.ledger.recorded(job_id)
        except ParcelaError as error:
            log.warning("job %s: its outcome is not written yet: %s", job_id, error)

    def _clear_up(self, claim: Claim) -> None:
        """A loser deletes nothing, since the ledger may yet be told of its files; those of a deleted job do go."""
        try:
            if self.store.stat(request_key(claim.job.id)) is None:
                self.store.delete(stage_prefix(claim.job.id, claim.stage, claim.token))
        except ParcelaError as error:
            log.warning("job %s: %s", claim.job.id, error)


class Lease:
    """One attempt's lease, and its limits of time and memory."""

    def __init__(self, ledger: Ledger, claim: Claim, limits: Settings) -> None:
        self._ledger, self._claim, self._limits = ledger, claim, limits
        self._started = self._renewed = time.monotonic()
        self._every_s = min(limits.lease_s / 3, RENEW_AT_MOST_S)
        self._step, self._share, self._told = "", 0.0, True

    def on_progress(self, step: StepBegun) -> None:
        """A step has begun, which callers who ask about the job are to hear at once."""
        self._step, self._share, self._told = step.step, step.share, False

    def held(self) -> bool:
        """Renew the lease when it is time to. False once the job is no longer ours."""
        if self._told and time.monotonic() - self._renewed < self._every_s:
            return True
        self._renewed, self._told = time.monotonic(), True
        stages = STAGES[self._claim.job.kind]
        progress = (stages.index(self._claim.stage) + self._share) / len(stages)
        try:
            answer = self._ledger.renew(self._claim, self._limits.lease_s, self._step, progress)
        except LedgerUnavailable as error:
            log.warning("%s", error)  # the ledger will say whose the job is when it is back
            return True
        return answer == "held"

    def limit_passed(self, resident_mb: float) -> LimitExceeded | None:
        """The limit that this attempt has gone over, if any."""
        limits = Limits("PARCELA_JOB", self._limits.job_timeout_s, self._limits.job_memory_mb)
        return limits.passed(self._claim.stage, time.monotonic() - self._started, resident_mb)
