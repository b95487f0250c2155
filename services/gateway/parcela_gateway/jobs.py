"""Where a job stands, for its owner alone: the ledger says, and where it knows nothing, the store."""

from __future__ import annotations

import time
from contextlib import suppress

from parcela.errors import ParcelaError
from parcela.jobs.job_files import read_outcome, read_request, unreadable_end
from parcela.jobs.keys import outcome_key, tombstone_key
from parcela.jobs.ledger import LedgerUnavailable
from parcela.jobs.records import STAGES, Job, JobRequest, Tombstone, is_id
from parcela.record import BadRecord
from parcela.store.store import NotStored, Store, read
from parcela_gateway.dependencies import Gateway

REMEMBERED_S = 24 * 3600  # a deleted job is said to have been there


class NoSuchJob(ParcelaError):
    """The caller has no such job; whether another has is not said."""

    exit_code = 2
    status = 404
    slug = "no-such-job"


class JobDeleted(ParcelaError):
    """There was such a job, and it was erased."""

    exit_code = 2
    status = 410
    slug = "job-deleted"


def find_job(gateway: Gateway, job_id: str, owner: str) -> Job:
    """The caller's job as it stands.

    Raises:
        NoSuchJob: the caller has none of this id. JobDeleted: in the last 24 hours it was erased.
        Unavailable: neither ledger nor store can say.
    """
    if not is_id(job_id):
        raise _unknown()
    return _theirs(
        gateway, _in_ledger(gateway, job_id) or _in_store(gateway.store, job_id, owner), owner
    )


async def followed(gateway: Gateway, job_id: str, owner: str, age_s: float) -> Job:
    """The job as it stood at most so long ago; raises as `find_job`. Its owner is known already."""
    if row := await gateway.followed.look(job_id, age_s):
        return row
    return await gateway.ask(find_job, gateway, job_id, owner)


def check_owner(gateway: Gateway, job_id: str, owner: str) -> None:
    """Raise as `find_job` does; but while the ledger is away, the store says whose job it is."""
    try:
        find_job(gateway, job_id, owner)
    except LedgerUnavailable:
        _theirs(gateway, _in_store(gateway.store, job_id, owner), owner)


def _theirs(gateway: Gateway, job: Job, owner: str) -> Job:
    """The job, if it is the caller's; one whose damaged records name nobody is anyone's where no keys are."""
    if job.owner == owner or not (job.owner or gateway.keys.needed):
        return job
    raise _unknown()


def _in_ledger(gateway: Gateway, job_id: str) -> Job | None:
    try:
        with suppress(BadRecord):  # the store is the truth
            return gateway.ledger.get(job_id)
        return None
    except LedgerUnavailable:
        if gateway.store.stat(outcome_key(job_id)) is None:
            raise
        return None


def _in_store(store: Store, job_id: str, owner: str) -> Job:
    """A job that the ledger has lost, or forgotten: how it ended, else that it will be done again."""
    if was_deleted(store, job_id, owner):
        raise JobDeleted("this job was deleted, and every trace of its scan with it")
    try:
        with suppress(NotStored):
            return read_outcome(store, job_id).job(job_id)
        with suppress(NotStored):
            return queued(read_request(store, job_id))
    except BadRecord as error:
        return unreadable_end(store, job_id, error).job(job_id)
    raise _unknown()


def queued(request: JobRequest) -> Job:
    """The job of a request that nobody has begun."""
    return Job(
        id=request.id,
        kind=request.kind,
        owner=request.owner,
        status="queued",
        stage=STAGES[request.kind][0],
        waiting=True,
        created=request.created,
    )


def was_deleted(store: Store, job_id: str, owner: str) -> bool:
    """Whether a job was erased in the last 24 hours; others than its owner are not told."""
    try:
        tombstone = Tombstone.from_json(read(store, tombstone_key(job_id)))
    except NotStored:
        return False
    except BadRecord:
        return True  # damaged: deleted, at some time
    lately = time.time() - tombstone.deleted < REMEMBERED_S
    return lately and tombstone.is_of(job_id, owner)


def _unknown() -> NoSuchJob:
    return NoSuchJob("you have no such job: it may be older than what is kept, or another caller's")
