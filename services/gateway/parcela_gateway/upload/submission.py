"""A scan comes in and becomes a job: the scan, `request.json` to commit it, the ledger's row, a bell, the answer."""

from __future__ import annotations

import hashlib
import hmac
import io
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
from anyio import to_thread
from starlette.requests import Request

from parcela.jobs.job_files import read_request, write_request
from parcela.jobs.keys import scan_key
from parcela.jobs.ledger import LedgerUnavailable
from parcela.jobs.records import STAGES, Job, JobRequest, Kind, new_id
from parcela.options import LabelOptions, PredictOptions
from parcela.store.store import NotStored
from parcela_gateway.dependencies import Gateway
from parcela_gateway.jobs import JobDeleted, find_job, queued, was_deleted
from parcela_gateway.problem import Refused
from parcela_gateway.upload.form import file_pieces
from parcela_gateway.upload.scrub import CHUNK, scrubbed, stream_of
from parcela_gateway.upload.stream import Received, receive, too_large

RETRY_S = 30  # when too many wait
PATIENCE_S = 30  # for an upload under the same key
FORM_BYTES = 256 * 1024  # that a form may add to its file

log = logging.getLogger("parcela.gateway")


class TooManyWaiting(Refused):
    """The queue is full."""

    status = 429
    slug = "too-many-waiting"


class KeyReused(Refused):
    """An Idempotency-Key comes again with another scan or other options."""

    status = 422
    slug = "idempotency-key-reused"


class StillArriving(Refused):
    """An earlier request under this Idempotency-Key has not ended."""

    status = 503
    slug = "still-arriving"


@dataclass(frozen=True)
class Submission:
    """What a caller asks for: everything but the scan."""

    owner: str
    kind: Kind
    options: PredictOptions | LabelOptions
    key: str | None = None

    def choose_id(self) -> str:
        """Random; with an Idempotency-Key, the same for the same caller and key, so that no table is needed."""
        if self.key is None:
            return new_id()
        return hmac.new(self.owner.encode(), self.key.encode(), hashlib.sha256).hexdigest()[:32]


async def submit(gateway: Gateway, request: Request, submission: Submission) -> Job:
    """Take the scan in the request's body; the job that it became, or under a known key already is.

    Raises:
        BadScan, BadForm, TooLarge and their kin: nothing was kept. TooManyWaiting: come again later.
        KeyReused: the key is another scan's. JobDeleted: the key's job was erased.
    """
    job_id = submission.choose_id()
    async with _alone(gateway, job_id):
        earlier = await to_thread.run_sync(_earlier, gateway, job_id) if submission.key else None
        if earlier is None:
            job = await _first(gateway, request, submission, job_id)
        else:
            job = await _again(gateway, request, submission, earlier)
    return job


async def _first(gateway: Gateway, request: Request, submission: Submission, job_id: str) -> Job:
    await to_thread.run_sync(_check_room, gateway)
    _check_length(gateway, request)
    received = await _keep_scan(gateway, request, job_id)
    accepted = JobRequest(
        id=job_id,
        kind=submission.kind,
        owner=submission.owner,
        created=time.time(),
        sha256=received.sha256,
        size=received.size,
        options=submission.options,
    )
    # A thread is not cancelled: who goes away now does not leave a job half made.
    return await to_thread.run_sync(_accept, gateway, accepted)


def _earlier(gateway: Gateway, job_id: str) -> JobRequest | None:
    if was_deleted(gateway.store, job_id):
        raise JobDeleted("the job of this Idempotency-Key was deleted: submit under a new one")
    with suppress(NotStored):
        return read_request(gateway.store, job_id)
    return None


async def _again(
    gateway: Gateway, request: Request, submission: Submission, earlier: JobRequest
) -> Job:
    """The job of a request that comes a second time. Its body is hashed, and not kept."""
    received = await _receive(gateway, request, _read_over)
    if (received.sha256, submission.kind, submission.options) != (
        earlier.sha256,
        earlier.kind,
        earlier.options,
    ):
        raise KeyReused(
            "this Idempotency-Key was used for another scan or other options: use a new one"
        )
    return await to_thread.run_sync(find_job, gateway, earlier.id, submission.owner)


def _check_room(gateway: Gateway) -> None:
    if sum(gateway.ledger.waiting().values()) >= gateway.settings.max_waiting:
        raise TooManyWaiting(
            "too many jobs wait already: come again later", headers={"Retry-After": str(RETRY_S)}
        )


def _check_length(gateway: Gateway, request: Request) -> None:
    """Refuse at once what says itself that it is too large."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > gateway.settings.max_bytes + FORM_BYTES:
        raise too_large(gateway.settings.max_bytes)


async def _keep_scan(gateway: Gateway, request: Request, job_id: str) -> Received:
    limits = gateway.settings.max_voxels, gateway.settings.max_bytes

    def keep(stream: io.BufferedReader) -> None:
        gateway.store.put(scan_key(job_id), stream_of(scrubbed(stream, *limits)))

    return await _receive(gateway, request, keep)


async def _receive(
    gateway: Gateway, request: Request, keep: Callable[[io.BufferedReader], None]
) -> Received:
    return await receive(
        file_pieces(request),
        keep,
        max_bytes=gateway.settings.max_bytes,
        threads=gateway.uploads,
    )


def _read_over(stream: io.BufferedReader) -> None:
    while stream.read(CHUNK):
        pass


def _accept(gateway: Gateway, request: JobRequest) -> Job:
    write_request(gateway.store, request)
    try:
        job = gateway.ledger.add(request)
        gateway.ring(STAGES[request.kind][0])
    except LedgerUnavailable as error:
        # It is committed: the reconciler will find it. Refusing now would have the scan sent, and done, twice.
        log.warning("job %s waits in the store alone: %s", request.id, error)
        return queued(request)
    return job


@asynccontextmanager
async def _alone(gateway: Gateway, job_id: str) -> AsyncIterator[None]:
    """One upload a job at a time: a second one under the same key finds out what became of the first."""
    lock = gateway.arriving.setdefault(job_id, anyio.Lock())
    try:
        with anyio.fail_after(PATIENCE_S):
            await lock.acquire()
    except TimeoutError as error:
        raise StillArriving(
            "an earlier request under this Idempotency-Key is still sending its scan: try again",
            headers={"Retry-After": "5"},
        ) from error
    try:
        yield
    finally:
        lock.release()
        if not lock.statistics().tasks_waiting:
            gateway.arriving.pop(job_id, None)
