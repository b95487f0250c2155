"""One look at the ledger for all who follow jobs: a listener more costs no question more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
from anyio import to_thread

from parcela.jobs.ledger import Ledger
from parcela.jobs.records import Job
from parcela_gateway.budgets.places import counted


@dataclass
class Listed:
    """An owner's jobs as they were at a moment (of the monotonic clock)."""

    jobs: list[Job]
    at: float


class FollowedJobs:
    """The rows of the jobs that listeners follow, read together, and the lists that they follow, each read once.

    Args:
        ledger: what is asked.
        polls: the threads for it.
    """

    def __init__(self, ledger: Ledger, polls: anyio.CapacityLimiter) -> None:
        self._ledger, self._polls = ledger, polls
        self._listeners: Counter[str] = Counter()
        self._rows: dict[str, Job] = {}
        self._at = 0.0
        self._lists: dict[tuple[str, int], Listed] = {}
        self._lock = anyio.Lock()

    @contextmanager
    def follow(self, job_id: str) -> Iterator[None]:
        """A block in which somebody follows a job."""
        with counted(self._listeners, job_id):
            yield

    async def look(self, job_id: str, age_s: float) -> Job | None:
        """A followed job as it stood at most so long ago; None where the ledger has no row of it, or none yet.

        Raises:
            LedgerUnavailable: to one of all who ask; the others get the row as it was.
        """
        async with self._lock:
            if time.monotonic() - self._at >= age_s:
                self._at = time.monotonic()
                ids = list(self._listeners)
                rows = await to_thread.run_sync(self._ledger.several, ids, limiter=self._polls)
                self._rows = {job.id: job for job in rows}
        return self._rows.get(job_id)

    async def listed(self, owner: str, limit: int, age_s: float) -> list[Job]:
        """An owner's jobs, the newest first, as they were at most so long ago. Raises LedgerUnavailable."""
        async with self._lock:
            listed = self._lists.get((owner, limit))
            if listed is None or time.monotonic() - listed.at >= age_s:
                self._forget_lists(age_s)
                jobs = await to_thread.run_sync(
                    self._ledger.jobs, owner, limit, limiter=self._polls
                )
                listed = self._lists[owner, limit] = Listed(jobs, time.monotonic())
        return listed.jobs

    def _forget_lists(self, age_s: float) -> None:
        old = time.monotonic() - 2 * age_s
        self._lists = {key: listed for key, listed in self._lists.items() if listed.at > old}
