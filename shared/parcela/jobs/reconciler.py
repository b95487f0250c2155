"""The reconciler: keeps the ledger, the store and the doorbell in agreement, whatever dies in between.

Every gateway runs one; they may run at once, since each step is one that can be done twice. What it sees to, each time:
a ledger that lost its memory is compared with the store; late workers lose their jobs; ended jobs get their outcome
written; waiting jobs get a bell. Once a minute one of them looks through the whole store, and tidies up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from parcela.errors import ParcelaError, Unavailable
from parcela.jobs.doorbell import Doorbell
from parcela.jobs.job_files import (
    JobFiles,
    erase_files,
    jobs_in,
    read_outcome,
    read_request,
    unreadable_end,
    write_outcome,
)
from parcela.jobs.keys import (
    TOMBSTONES,
    buried_job,
    outcome_key,
    request_key,
    stage_prefix,
    tombstone_key,
)
from parcela.jobs.ledger import Ledger
from parcela.jobs.records import Outcome
from parcela.record import BadRecord
from parcela.settings import Settings, settings
from parcela.store.store import NotStored, Store

# Files that belong to nothing are left alone for so long: somebody may still be writing
ABANDONED_S = 3600
TOMBSTONE_S = 24 * 3600
# No gateway accepts the id of a deleted job for a day: what was committed sooner than that (an hour less, since clocks
# differ) belongs to an upload that had begun before the deletion, and whose gateway died before it saw it.
TOO_SOON_S = TOMBSTONE_S - 3600
COMPARE_EVERY_S = 60
MOST_BELLS = 100  # rung at a time for one stage
JOBS_AT_A_TIME = 8  # an S3 server takes some milliseconds for each of the few files of a job

log = logging.getLogger("parcela.reconciler")


class Reconciler:
    """Looks after the jobs of one installation.

    Args:
        ledger: where jobs stand.
        store: what outlives the ledger.
        doorbell: wakes workers.
        chosen: how often it looks, and how long a finished job is kept; by default the process's settings.
        clock: the time now, in Unix seconds, with which the times of files are compared.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        doorbell: Doorbell,
        chosen: Settings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._store, self._doorbell = ledger, store, doorbell
        self._settings = chosen or settings()
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Look after the jobs from now on, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, after the look that is under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def run_once(self) -> None:
        """One look at everything; a step that cannot be taken stops none of the others.

        Raises:
            LedgerUnavailable, StoreUnavailable: one of them does not answer; look again later.
        """
        errors = []
        for step in (self._agree, self._expire, self._record, self._ring):
            try:
                step()
            except ParcelaError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.run_once()
            except ParcelaError as error:
                log.warning("%s", error)
            except Exception:
                log.exception("the reconciler stumbled, and goes on")
            self._stopping.wait(self._settings.reconcile_s)

    # ----------------------------------------------------------------------------------------------------- every look

    def _agree(self) -> None:
        if not self._ledger.intact():
            self._recover()
        elif self._ledger.turn("compare", COMPARE_EVERY_S):
            self.compare(recovering=False)

    def _expire(self) -> None:
        for job_id in self._ledger.expire():
            log.warning("job %s: its worker fell silent", job_id)

    def _recover(self) -> None:
        """Redis was restarted or emptied: the store says what the ledger should hold."""
        recovery = self._ledger.begin_recovery()
        self.compare(recovering=True)
        if self._ledger.mark(recovery):
            log.warning("the ledger was restarted or emptied, and agrees with the store again")

    def _record(self) -> None:
        """Write the outcome of jobs that have ended, unless their worker has."""
        for job in self._ledger.unrecorded():
            with _odd_ones_passed_over(job.id):
                if self._is_erased(job.id):
                    self._erase(job.id)
                    continue
                write_outcome(self._store, job)
                self._ledger.recorded(job.id)

    def _ring(self) -> None:
        """Ring for jobs that could be claimed and outnumber the bells."""
        for stage, ready in self._ledger.ready().items():
            missing = ready - self._doorbell.bells(stage) if ready else 0
            for _ in range(min(missing, MOST_BELLS)):
                self._doorbell.ring(stage)

    # ------------------------------------------------------------------------------------------------- the whole store

    def compare(self, recovering: bool) -> None:
        """Go through the store: bring back the jobs that the ledger lacks, erase what belongs to nothing any more.

        Args:
            recovering: doubt the rows as well: where the store holds an outcome, it wins.
        """
        # Before the listing: a row is younger than its request.json.
        in_ledger = set(self._ledger.ids())
        deleted_at = self._tombstones()
        jobs = list(jobs_in(self._store))
        look = partial(
            self._look_at, in_ledger=in_ledger, deleted_at=deleted_at, recovering=recovering
        )
        with ThreadPoolExecutor(JOBS_AT_A_TIME) as pool:
            for _ in pool.map(look, jobs):
                pass  # so that what is raised is raised here
        for job_id in in_ledger - {job.id for job in jobs}:
            with _odd_ones_passed_over(job_id):
                self._erase(job_id)

    def _look_at(
        self, job: JobFiles, in_ledger: set[str], deleted_at: dict[str, float], recovering: bool
    ) -> None:
        with _odd_ones_passed_over(job.id):
            try:
                deleted = (
                    job.id in deleted_at and job.accepted_at <= deleted_at[job.id] + TOO_SOON_S
                )
                self._see_to(job, job.id in in_ledger, deleted, recovering)
            except NotStored:
                pass  # erased while we looked
            except BadRecord as error:
                log.error("job %s: %s", job.id, error)
                if job.id not in in_ledger:
                    self._end(job, error)

    def _see_to(self, job: JobFiles, in_ledger: bool, deleted: bool, recovering: bool) -> None:
        now = self._clock()
        if deleted or not job.accepted:
            if deleted or in_ledger or job.touched_at < now - ABANDONED_S:
                self._erase(job.id)
        elif not job.ended:
            if not in_ledger:
                self._bring_back(job, None)
        elif job.ended_at < now - self._settings.retention_days * 86400:
            self._erase(job.id)
        elif recovering or not in_ledger:
            self._bring_back(job, read_outcome(self._store, job.id))
        else:
            self._tidy(job, now - ABANDONED_S)

    def _bring_back(self, job: JobFiles, outcome: Outcome | None) -> None:
        request = read_request(self._store, job.id)
        self._ledger.restore(request, outcome, job.finished_stages())
        if self._is_erased(job.id):  # while we looked: its row must not come back
            self._ledger.forget(job.id)

    def _end(self, job: JobFiles, error: BadRecord) -> None:
        """A job with a record that cannot be read has failed. The record stays: a later release may read it."""
        outcome = unreadable_end(self._store, job.id, error)
        if not job.ended:
            self._store.create(outcome_key(job.id), outcome.to_json().encode())
        self._ledger.settle(job.id, outcome)

    def _tidy(self, job: JobFiles, before: float) -> None:
        """Erase what a finished job's attempts left beside its result."""
        if job.ended_at < before and not job.tidy:
            request, outcome = read_request(self._store, job.id), read_outcome(self._store, job.id)
            for attempt in job.left_over(request, outcome, before):
                self._store.delete(stage_prefix(job.id, *attempt))

    def _tombstones(self) -> dict[str, float]:
        """The jobs deleted in the last day, and when (Unix seconds); older tombstones are erased."""
        stones = {}
        for file in list(self._store.list(TOMBSTONES)):
            if file.modified < self._clock() - TOMBSTONE_S:
                self._store.delete(file.key)
            else:
                stones[buried_job(file.key)] = file.modified
        return stones

    def _erase(self, job_id: str) -> None:
        erase_files(self._store, job_id)
        self._ledger.forget(job_id)

    def _is_erased(self, job_id: str) -> bool:
        """Whether a job was deleted, and not accepted anew since (ids made from a caller's key may come again)."""
        request = self._store.stat(request_key(job_id))
        stone = self._store.stat(tombstone_key(job_id))
        return request is None or (
            stone is not None and request.modified <= stone.modified + TOO_SOON_S
        )


@contextmanager
def _odd_ones_passed_over(job_id: str) -> Iterator[None]:
    """A block about one job: what is odd about it is logged, and stops no other's. Raises Unavailable."""
    try:
        yield
    except Unavailable:
        raise
    except Exception:
        log.exception("job %s is passed over", job_id)
