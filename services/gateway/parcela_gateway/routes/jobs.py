"""`/jobs` and `/events`: how they stand, as documents and as events; and an end to them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Annotated

import anyio
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send

from parcela.errors import ParcelaError, Unavailable
from parcela.jobs.job_files import erase_job
from parcela.jobs.records import Job
from parcela_gateway.api import Responses, answers, problems
from parcela_gateway.dependencies import Gateway, InGateway, Owner
from parcela_gateway.jobs import JobDeleted, check_owner, find_job, followed
from parcela_gateway.problem import ProblemDocument
from parcela_gateway.schemas import JobDocument, JobList, view

LOOK_S = 0.5
LIST_LOOK_S = 1.0
HEARTBEAT_S = 15
DELETED_WITHIN_S = 10.0  # that a job is cancelled may be said after all, where nobody erases it
UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # by nginx, among others

router = APIRouter(tags=["jobs"])
FAULTS = (401, 404, 410, 500, 503)
Limit = Annotated[int, Query(ge=1, le=1000)]


def _stream_of(description: str, *events: str) -> Responses:
    """The response of a route that sends server-sent events of these names."""
    event = {"event": {"enum": list(events)}, "data": {"type": "string"}}
    schema = {"type": "object", "properties": event}
    return {200: {"description": description, "content": {"text/event-stream": {"schema": schema}}}}


class EventStream(StreamingResponse):
    """Server-sent events to one listener, of whom a caller has so many."""

    def __init__(self, gateway: Gateway, owner: str, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers=UNBUFFERED, media_type="text/event-stream")
        self._listening = partial(gateway.listeners.one, owner)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._listening():
            await super().__call__(scope, receive, send)


@router.get("/jobs", responses=problems(401, 422, 500, 503))
async def list_jobs(gateway: InGateway, owner: Owner, limit: Limit = 100) -> JobList:
    """The caller's jobs, the newest first."""
    return _listed(await gateway.ask(gateway.ledger.jobs, owner, limit))


def _listed(jobs: list[Job]) -> JobList:
    return JobList(jobs=[view(job) for job in jobs])


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses=answers(
        _stream_of(
            "server-sent events: `job` with a job's document, for each job at first and then for each that changes; "
            "`gone` with the id of one that was deleted or is over the limit; `listed` after those of one look",
            *("job", "gone", "listed"),
        ),
        *(401, 422, 500, 503),
    ),
)
async def follow_jobs(gateway: InGateway, owner: Owner, limit: Limit = 100) -> StreamingResponse:
    """All the caller's jobs as they change, in one stream without an end: a browser has few connections."""
    first = _listed(await gateway.followed.listed(owner, limit, LIST_LOOK_S))
    return EventStream(gateway, owner, _list_events(gateway, owner, limit, first))


async def _list_events(
    gateway: Gateway, owner: str, limit: int, listed: JobList
) -> AsyncIterator[bytes]:
    told: dict[str, JobDocument] = {}
    spoken = 0.0
    while True:
        jobs = {job.id: job for job in reversed(listed.jobs)}
        events = [("gone", job_id) for job_id in told.keys() - jobs.keys()]
        events += [("job", j.model_dump_json()) for j in jobs.values() if told.get(j.id) != j]
        for event, data in events:
            yield format_sse_event(event=event, data_str=data)
        if events or not spoken:
            yield format_sse_event(event="listed", data_str=str(len(jobs)))
            told, spoken = jobs, time.monotonic()
        elif time.monotonic() - spoken > HEARTBEAT_S:
            yield KEEPALIVE_COMMENT
            spoken = time.monotonic()
        await anyio.sleep(LIST_LOOK_S)
        with suppress(Unavailable):  # the heart goes on beating; perhaps the ledger comes back
            listed = _listed(await gateway.followed.listed(owner, limit, LIST_LOOK_S))


@router.get("/jobs/{job_id}", responses=problems(*FAULTS))
async def get_job(gateway: InGateway, owner: Owner, job_id: str) -> JobDocument:
    """How a job stands."""
    return view(await gateway.ask(find_job, gateway, job_id, owner))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses=answers(
        _stream_of(
            "server-sent events: `job` with the job's document whenever it changes, until it has ended; `problem` "
            "with a problem document if it is deleted",
            *("job", "problem"),
        ),
        *FAULTS,
    ),
)
async def follow_job(gateway: InGateway, owner: Owner, job_id: str) -> StreamingResponse:
    """A job's progress as it happens; a comment now and then keeps the connection alive."""
    first = await gateway.ask(find_job, gateway, job_id, owner)
    return EventStream(gateway, owner, _events(gateway, owner, first))


async def _events(gateway: Gateway, owner: str, job: Job) -> AsyncIterator[bytes]:
    told, spoken, cancelled_at = None, 0.0, 0.0
    with gateway.followed.follow(job.id):
        while True:
            # A job is cancelled by its deletion alone: that is told once it is over, by the problem below.
            cancelled_at = (cancelled_at or time.monotonic()) if job.status == "cancelled" else 0.0
            deletion = cancelled_at and time.monotonic() - cancelled_at < DELETED_WITHIN_S
            if job != told and not deletion:
                yield format_sse_event(event="job", data_str=view(job).model_dump_json())
                told, spoken = job, time.monotonic()
            elif time.monotonic() - spoken > HEARTBEAT_S:
                yield KEEPALIVE_COMMENT
                spoken = time.monotonic()
            if job.ended and not deletion:
                return
            await anyio.sleep(LOOK_S)
            try:
                job = await followed(gateway, job.id, owner, LOOK_S)
            except Unavailable:
                continue  # the heart goes on beating; perhaps the ledger comes back
            except ParcelaError as error:
                document = ProblemDocument.of_error(error)
                yield format_sse_event(event="problem", data_str=document.model_dump_json())
                return


@router.delete("/jobs/{job_id}", status_code=204, responses=problems(401, 404, 500, 503))
def delete_job(gateway: InGateway, owner: Owner, job_id: str) -> None:
    """Cancel a job and erase every trace of its scan. Asking again changes nothing."""
    with suppress(JobDeleted):  # an erasure that broke off half-way is carried through
        check_owner(gateway, job_id, owner)
    erase_job(gateway.ledger, gateway.store, job_id, owner)
