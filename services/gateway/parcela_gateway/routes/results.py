"""`/jobs/<id>/result`, `/files`, `/files/<name>` and `/bundle.zip`: what a finished job left; `/scan`: what it had."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from parcela.bundle.write import FIXED_NAMES
from parcela.errors import ParcelaError
from parcela.jobs.job_files import read_request
from parcela.jobs.keys import SCAN, scan_key, stage_prefix
from parcela.jobs.records import STAGES, Job
from parcela.store.checksums import SUMS, check_names, read_sums
from parcela.store.store import NotStored, Store
from parcela_gateway.api import BINARY, MAP, Responses, answers, problems
from parcela_gateway.dependencies import Gateway, InGateway, Owner
from parcela_gateway.download.archive import Member, archive, archive_etag, archive_size
from parcela_gateway.download.ranges import CHUNK, Sendable, send
from parcela_gateway.jobs import find_job
from parcela_gateway.problem import Refused
from parcela_gateway.schemas import job_path

BUNDLE = "bundle.zip"
TYPES = {
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".mat": "application/octet-stream",
    ".png": "image/png",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".zip": "application/zip",
}
# A report opened in a browser is a page of this gateway's: it may run what it brought, and ask for nothing.
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'unsafe-inline' data:",
}

router = APIRouter(tags=["results"])
FAULTS = (401, 404, 409, 410, 500, 503)


def _answers(content: dict[str, Any]) -> Responses:
    good: Responses = {
        200: {"description": "all of it", "content": content},
        206: {"description": "the range asked for", "content": content},
        304: {"description": "what the caller has is what there is"},
    }
    return answers(good, 416, *FAULTS)


class NoResult(Refused):
    """The job has no result: not yet, or never."""

    status = 409
    slug = "no-result"


class NoSuchFile(ParcelaError):
    """The bundle has no such file."""

    exit_code = 2
    status = 404
    slug = "no-such-file"


class FileEntry(BaseModel):
    """One file of a bundle."""

    name: str
    size: int
    etag: str
    href: str


class FileList(BaseModel):
    """The files of a bundle."""

    files: list[FileEntry]


@router.get("/jobs/{job_id}/result", response_class=Response, responses=_answers(MAP))
def get_result(request: Request, gateway: InGateway, owner: Owner, job_id: str) -> Response:
    """The label map."""
    return result_file(gateway, request, find_job(gateway, job_id, owner))


@router.get("/jobs/{job_id}/files", responses=problems(*FAULTS))
def list_files(gateway: InGateway, owner: Owner, job_id: str) -> FileList:
    """The files of the bundle."""
    members = _bundle(gateway.store, find_job(gateway, job_id, owner))
    here = f"{job_path(job_id)}/files"
    return FileList(
        files=[
            FileEntry(name=m.name, size=m.stored.size, etag=m.stored.etag, href=f"{here}/{m.name}")
            for m in members
        ]
    )


@router.get(
    "/jobs/{job_id}/files/{name}",
    response_class=Response,
    responses=_answers({"*/*": {"schema": BINARY}}),
)
def get_file(
    request: Request, gateway: InGateway, owner: Owner, job_id: str, name: str
) -> Response:
    """One file of the bundle, by its fixed name."""
    return _file(gateway, request, find_job(gateway, job_id, owner), name)


@router.get(
    "/jobs/{job_id}/bundle.zip",
    response_class=Response,
    responses=_answers({"application/zip": {"schema": BINARY}}),
)
def get_bundle(request: Request, gateway: InGateway, owner: Owner, job_id: str) -> Response:
    """All files in one archive, in a folder named after the job."""
    job = find_job(gateway, job_id, owner)
    members = _bundle(gateway.store, job)
    packed = [replace(member, name=f"parcela-{job.id}/{member.name}") for member in members]

    def read(start: int, length: int) -> Iterator[bytes]:
        for member in members:
            gateway.blocks.check(gateway.store, member, 0, member.stored.size)
        return archive(packed, gateway.store.open, start, length)

    size, etag = archive_size(packed), archive_etag(packed)
    return send(request, Sendable(BUNDLE, TYPES[".zip"], size, etag, read), SAFE)


@router.get("/jobs/{job_id}/scan", response_class=Response, responses=_answers(MAP))
def get_scan(request: Request, gateway: InGateway, owner: Owner, job_id: str) -> Response:
    """The scan as it is stored: its voxels and geometry, without names and texts."""
    find_job(gateway, job_id, owner)
    with suppress(NotStored):
        asked = read_request(gateway.store, job_id)
        if stored := gateway.store.stat(scan_key(job_id, asked.upload)):
            scan = Member(SCAN, stored, asked.kept_sha256 or None)
            return _send(gateway, request, scan)
    raise NoResult("the scan is no longer in the store: submit it again")


def result_file(gateway: Gateway, request: Request, job: Job) -> Response:
    """The label map of a job that is done; raises NoResult."""
    return _file(gateway, request, job, FIXED_NAMES["dseg"])


def _file(gateway: Gateway, request: Request, job: Job, name: str) -> Response:
    return _send(gateway, request, _one(gateway.store, job, name))


def _send(gateway: Gateway, request: Request, member: Member) -> Response:
    name, stored = member.name, member.stored

    def read(start: int, length: int) -> Iterator[bytes]:
        gateway.blocks.check(gateway.store, member, start, length)  # before the first byte goes out
        return _pieces(gateway.store, stored.key, start, length)

    kind = TYPES.get("." + name.rsplit(".", 1)[-1], "application/octet-stream")
    return send(
        request, Sendable(name, kind, stored.size, stored.etag, read), SAFE | _digest(member)
    )


def _pieces(store: Store, key: str, start: int, length: int) -> Iterator[bytes]:
    with store.open(key, start, length) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _digest(member: Member) -> dict[str, str]:
    """The header (RFC 9530) by which a client can tell that it has the whole file, as it was written."""
    if member.sha256 is None:
        return {}
    return {"Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(member.sha256)).decode()}:"}


def _one(store: Store, job: Job, name: str) -> Member:
    # A name is compared, never made into a key: it may be anything.
    for member in _bundle(store, job):
        if member.name == name:
            return member
    raise NoSuchFile(f"the bundle has no file of this name: see {job_path(job.id)}/files")


def _bundle(store: Store, job: Job) -> list[Member]:
    """The files that the winning attempt of the last stage left, by name; raises DamagedFile where one is gone."""
    token = job.token
    if token is None:
        raise NoResult(_why_not(job), headers={} if job.ended else {"Retry-After": "2"})
    prefix = stage_prefix(job.id, STAGES[job.kind][-1], token)
    files = {stored.key.removeprefix(prefix): stored for stored in store.list(prefix)}
    files.pop(SUMS, None)
    if not files:
        raise NoResult("the files of this job are no longer in the store: submit the scan again")
    hashes = read_sums(store, prefix)
    check_names(files, hashes)
    return [Member(name, stored, hashes.get(name)) for name, stored in files.items()]


def _why_not(job: Job) -> str:
    if job.problem is not None:
        return f"the job failed: {job.problem.detail}"
    if job.ended:
        return "the job was cancelled"
    return f"the job is not done: it is {job.status}; ask again later, or follow {job_path(job.id)}/events"
