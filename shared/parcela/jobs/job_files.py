"""What the store holds of a job: its records, read and written; and all its files in one listing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from typing import NamedTuple

from parcela.jobs.keys import (
    JOBS,
    LEFT_BY,
    OUTCOME,
    REQUEST,
    UPLOAD,
    job_of,
    job_prefix,
    outcome_key,
    request_key,
    tombstone_key,
)
from parcela.jobs.ledger import Ledger, LedgerUnavailable
from parcela.jobs.records import (
    STAGES,
    Job,
    JobRequest,
    Kind,
    Outcome,
    Problem,
    Stage,
    Tombstone,
    is_id,
)
from parcela.record import BadRecord
from parcela.store.store import NotStored, Store, Stored, StoreUnavailable, read


def read_request(store: Store, job_id: str) -> JobRequest:
    """What was asked of a job, read from the store.

    Raises:
        NotStored: there is no such job, or it was deleted. BadRecord. StoreUnavailable.
    """
    return JobRequest.from_json(read(store, request_key(job_id)))


def commit_request(store: Store, request: JobRequest) -> bool:
    """Commit a job whose scan is stored: from now on it is accepted. False: another of its id was quicker."""
    key, content = request_key(request.id), request.to_json().encode()
    while not store.create(key, content):
        with suppress(NotStored):  # erased meanwhile: the place is free again
            return read(store, key) == content
    return True


def read_outcome(store: Store, job_id: str) -> Outcome:
    """How a job ended, read from the store.

    Raises:
        NotStored: it has not, or nobody has written it down yet. BadRecord. StoreUnavailable.
    """
    return Outcome.from_json(read(store, outcome_key(job_id)))


def write_outcome(store: Store, job: Job) -> None:
    """Write down how a job ended, unless somebody was quicker."""
    store.create(outcome_key(job.id), Outcome.of(job).to_json().encode())


def unreadable_end(store: Store, job_id: str, error: BadRecord) -> Outcome:
    """How a job ends whose request, or outcome, cannot be read: failed.

    Owner and kind stand in both records, and are picked out of what is left of them; an owner whom neither tells is
    empty. The time is that of the newer record.
    """
    text, moment = b"", 0.0
    for key in (request_key(job_id), outcome_key(job_id)):
        with suppress(NotStored):
            text += read(store, key)
        moment = max(moment, stored.modified if (stored := store.stat(key)) else 0.0)
    kind: Kind = "label" if _told(text, b"kind") == "label" else "predict"
    problem = Problem.of(BadRecord(f"{error}: delete the job, and submit the scan again"))
    return Outcome(
        state="failed",
        token=None,
        finished=moment,
        problem=problem,
        owner=_told(text, b"owner"),
        kind=kind,
        created=moment,
    )


def _told(text: bytes, field: bytes) -> str:
    """A field of plain letters and digits in a damaged record; empty where there is none."""
    told = re.search(rb'"%s"\s*:\s*"([0-9A-Za-z]+)"' % field, text)
    return told.group(1).decode() if told else ""


def erase_job(ledger: Ledger, store: Store, job_id: str, owner: str) -> None:
    """End a job and erase every trace of its scan.

    The tombstone stands first, so that nobody takes what is left for a job again; only where the disk has no room for
    it, the files go before it. Whatever was committed in between goes after it.

    Raises:
        StoreUnavailable, LedgerUnavailable: as much was erased as could be. Ask again, until neither is raised.
    """
    with suppress(
        LedgerUnavailable, BadRecord
    ):  # a full disk may stop its writes, and is to have room
        ledger.cancel(job_id)
    try:
        _bury(store, job_id, owner)
    except StoreUnavailable:
        erase_files(store, job_id)
        _bury(store, job_id, owner)
    erase_files(store, job_id)
    ledger.forget(job_id)


def _bury(store: Store, job_id: str, owner: str) -> None:
    store.put(tombstone_key(job_id), Tombstone.of(job_id, owner).to_json().encode())


def erase_files(store: Store, job_id: str) -> None:
    """Erase a job's files: the commit mark first, so that half of it is never taken for a job."""
    store.delete(request_key(job_id))
    store.delete(job_prefix(job_id))


class Attempt(NamedTuple):
    """One attempt of one stage, by the folder that holds its files."""

    stage: str
    token: str


@dataclass(frozen=True)
class JobFiles:
    """A job's files by their names below its prefix: enough to decide what is missing and what is left over."""

    id: str
    files: dict[str, Stored]

    @property
    def accepted(self) -> bool:
        """Whether the job was committed (and not erased since)."""
        return REQUEST in self.files

    @property
    def accepted_at(self) -> float:
        """When it was committed, Unix seconds; 0 if it was not."""
        return self.files[REQUEST].modified if self.accepted else 0.0

    @property
    def ended(self) -> bool:
        """Whether its outcome is written down."""
        return OUTCOME in self.files

    @property
    def ended_at(self) -> float:
        """When its outcome was written, Unix seconds."""
        return self.files[OUTCOME].modified

    @property
    def touched_at(self) -> float:
        """When its newest file was written, Unix seconds."""
        return max(file.modified for file in self.files.values())

    def attempts(self) -> dict[Attempt, float]:
        """Every attempt that left files, uploads among them, and when its newest file was written."""
        touched: dict[Attempt, float] = {}
        for name, file in self.files.items():
            stage, *rest = PurePosixPath(name).parts
            if len(rest) > 1:
                attempt = Attempt(stage, rest[0])
                touched[attempt] = max(touched.get(attempt, 0.0), file.modified)
        return touched

    @property
    def tidy(self) -> bool:
        """Whether one upload and one attempt at a last stage left files at most: there is nothing to tidy up."""
        attempts = Counter(attempt.stage for attempt in self.attempts())
        return not LEFT_BY.keys() & attempts.keys() and max(attempts.values(), default=0) <= 1

    def finished_stages(self) -> dict[Stage, str]:
        """First stages of which an attempt left all that the next stage needs, and that attempt's token."""
        for stage, needed in LEFT_BY.items():
            for token in sorted(a.token for a in self.attempts() if a.stage == stage):
                if all(f"{stage}/{token}/{name}" in self.files for name in needed):
                    return {stage: token}
        return {}

    def left_over(self, request: JobRequest, outcome: Outcome, before: float) -> list[Attempt]:
        """Attempts that the result of this finished job does not need, none of them touched since ``before``."""
        needed = {(UPLOAD, request.upload), (STAGES[outcome.kind][-1], outcome.token)}
        return [
            attempt
            for attempt, touched in self.attempts().items()
            if attempt not in needed and touched < before
        ]


def jobs_in(store: Store) -> Iterator[JobFiles]:
    """Every job that the store knows of."""
    for job_id, files in groupby(store.list(JOBS), key=lambda file: job_of(file.key)):
        if is_id(job_id):
            prefix = job_prefix(job_id)
            yield JobFiles(job_id, {file.key.removeprefix(prefix): file for file in files})
