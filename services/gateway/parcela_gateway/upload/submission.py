"""A scan comes in and becomes a job: the scan, `request.json` to commit it, the ledger's row, a bell, the answer.

Several uploads under one Idempotency-Key may come at once, at several gateways. Each lies under a token of its own; one
of them is committed, since `request.json` is created only where there is none; the others are compared with that one.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from anyio import to_thread
from starlette.requests import Request

from parcela.imaging.reading import CHUNK
from parcela.jobs.job_files import commit_request, erase_files, read_request
from parcela.jobs.keys import request_key, scan_key, upload_prefix
from parcela.jobs.ledger import LedgerUnavailable
from parcela.jobs.records import STAGES, Job, JobRequest, Kind, new_id
from parcela.options import LabelOptions, PredictOptions
from parcela.record import BadRecord
from parcela.store.store import NotStored, StoreUnavailable, check_room
from parcela_gateway.dependencies import Gateway
from parcela_gateway.jobs import JobDeleted, find_job, queued, was_deleted
from parcela_gateway.problem import Refused
from parcela_gateway.upload.body import UploadBody
from parcela_gateway.upload.form import Form, file_pieces
from parcela_gateway.upload.scrub import nifti_of, scrubbed, stream_of
from parcela_gateway.upload.stream import Received, receive, too_large

RETRY_S = 30  # when too many wait
FORM_BYTES = 256 * 1024  # that a form may add to its file

log = logging.getLogger("parcela.gateway")


class TooManyWaiting(Refused):
    """The queue is full."""

    status = 429
    slug = "too-many-waiting"


class TooManyJobs(Refused):
    """The caller's jobs, scans and results take as much room as one may have."""

    status = 429
    slug = "too-many-jobs"


class KeyReused(Refused):
    """An Idempotency-Key comes again with another scan or other options."""

    status = 422
    slug = "idempotency-key-reused"


@dataclass(frozen=True)
class Kept:
    """What is stored of an upload: under which token, its SHA-256, and what made it of another kind of file."""

    upload: str = ""
    sha256: str = ""
    software: Mapping[str, str] = field(default_factory=dict)


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

    def request(self, job_id: str, received: Received, kept: Kept | None = None) -> JobRequest:
        """The record of this wish, for a scan that was received."""
        kept = kept or Kept()
        return JobRequest(
            id=job_id,
            upload=kept.upload,
            kind=self.kind,
            owner=self.owner,
            created=time.time(),
            sha256=received.sha256,
            size=received.size,
            kept_sha256=kept.sha256,
            software=kept.software,
            options=self.options,
        )


async def submit(gateway: Gateway, request: Request, submission: Submission) -> Job:
    """Take the scan in the request's body; the job that it became, or under a known key already is.

    Raises:
        BadScan, BadForm, TooLarge and their kin: nothing was kept. TooManyWaiting: come again later.
        KeyReused: the key is another scan's. JobDeleted: the key's job was erased.
    """
    job_id = submission.choose_id()
    if await to_thread.run_sync(_is_known, gateway, job_id, submission.owner):
        received = await _receive(gateway, request, submission.owner, _read_over)
        again = submission.request(job_id, received)
        return await to_thread.run_sync(_same, gateway, again)
    await gateway.ask(_check_room, gateway, submission.owner)
    _check_length(gateway, request)
    upload = secrets.token_hex(16)
    received, kept = await _keep_scan(gateway, request, submission.owner, job_id, upload)
    accepted = submission.request(job_id, received, kept)
    # A thread is not cancelled: who goes away now does not leave a job half made.
    return await to_thread.run_sync(_accept, gateway, accepted)


def _is_known(gateway: Gateway, job_id: str, owner: str) -> bool:
    """Whether a job was accepted under a caller's key; raises JobDeleted."""
    _check_deleted(gateway, job_id, owner)
    return gateway.store.stat(request_key(job_id)) is not None


def _check_deleted(gateway: Gateway, job_id: str, owner: str) -> None:
    if was_deleted(gateway.store, job_id, owner):
        raise JobDeleted("the job of this Idempotency-Key was deleted: submit under a new one")


def _same(gateway: Gateway, again: JobRequest) -> Job:
    """The job that an earlier request under the same key has become.

    Raises:
        KeyReused: that one asked for something else. JobDeleted: it was erased.
    """
    with suppress(NotStored, BadRecord):  # find_job says what became of it
        if not again.asks_the_same(read_request(gateway.store, again.id)):
            raise KeyReused(
                "this Idempotency-Key was used for another scan or other options: use a new one"
            )
    return find_job(gateway, again.id, again.owner)


def _check_room(gateway: Gateway, owner: str) -> None:
    """Refuse who has as many waiting as one may, and where all do, who has any: the others' queue is not ours."""
    total, own, every = gateway.ledger.queue(owner)
    settings = gateway.settings
    check_room(gateway.store, settings.min_free_mb)
    if every >= settings.jobs_each:
        raise TooManyJobs(
            f"you have {every} jobs here, ended ones too: delete some, or wait until they are past their retention",
            headers={"Retry-After": str(3600)},
        )
    if own >= settings.max_waiting_each or (own and total >= settings.max_waiting):
        raise TooManyWaiting(
            f"{own} jobs of yours wait already: come again later",
            headers={"Retry-After": str(RETRY_S)},
        )


def _check_length(gateway: Gateway, request: Request) -> None:
    """Refuse at once what says itself that it is too large."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > gateway.settings.max_bytes + FORM_BYTES:
        raise too_large(gateway.settings.max_bytes)


async def _keep_scan(
    gateway: Gateway, request: Request, owner: str, job_id: str, upload: str
) -> tuple[Received, Kept]:
    """What came in, and what is stored of it."""
    limits = gateway.settings.max_voxels, gateway.settings.max_bytes
    digest = hashlib.sha256()
    software: dict[str, str] = {}

    def hashed(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            yield piece

    def keep(stream: io.BufferedReader) -> None:
        with nifti_of(stream, gateway.settings) as (nifti, made_by):
            software.update(made_by)
            scan = stream_of(hashed(scrubbed(nifti, *limits)))
            gateway.store.put(scan_key(job_id, upload), scan)

    received = await _receive(gateway, request, owner, keep)
    return received, Kept(upload, digest.hexdigest(), software)


async def _receive(
    gateway: Gateway, request: Request, owner: str, keep: Callable[[io.BufferedReader], None]
) -> Received:
    """Let a thread keep what comes in, once there is a place for it, and enough of it has come to deserve one."""
    form = Form(request.headers.get("content-type"))
    body = UploadBody(request, gateway.settings, lambda: gateway.uploads.wanted)
    await body.begin()
    async with gateway.uploads.one(owner):
        return await receive(
            file_pieces(form, body.chunks()),
            keep,
            max_bytes=gateway.settings.max_bytes,
            threads=gateway.upload_threads,
        )


def _read_over(stream: io.BufferedReader) -> None:
    while stream.read(CHUNK):
        pass


def _accept(gateway: Gateway, request: JobRequest) -> Job:
    """Commit an upload. Another under its key may have been quicker; the job may be deleted before, or meanwhile."""
    if was_deleted(gateway.store, request.id, request.owner) or not commit_request(
        gateway.store, request
    ):
        _drop(gateway, request)
        _check_deleted(gateway, request.id, request.owner)
        return _same(gateway, request)
    job = _enter(gateway, request)
    if was_deleted(
        gateway.store, request.id, request.owner
    ):  # by one who had not seen our commit, or not our row
        erase_files(gateway.store, request.id)
        with suppress(LedgerUnavailable):  # the reconciler forgets what has no request
            gateway.ledger.forget(request.id)
        _check_deleted(gateway, request.id, request.owner)
    return job


def _enter(gateway: Gateway, request: JobRequest) -> Job:
    try:
        job = gateway.ledger.add(request)
        gateway.ring(STAGES[request.kind][0])
    except LedgerUnavailable as error:
        # It is committed: the reconciler will find it. Refusing now would have the scan sent, and done, twice.
        log.warning("job %s waits in the store alone: %s", request.id, error)
        return queued(request)
    return job


def _drop(gateway: Gateway, request: JobRequest) -> None:
    """Erase an upload that became no job; one that cannot be erased now is swept later."""
    with suppress(StoreUnavailable):
        gateway.store.delete(upload_prefix(request.id, request.upload))
