"""`/jobs`: how they stand, as documents and as events; and an end to them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from parcela.errors import ParcelaError, Unavailable
from parcela.jobs.job_files import erase_job
from parcela.jobs.records import is_ending
from parcela_gateway.api import answers, problems
from parcela_gateway.dependencies import Gateway, InGateway, Owner
from parcela_gateway.jobs import JobDeleted, check_owner, find_job
from parcela_gateway.problem import ProblemDocument
from parcela_gateway.schemas import JobDocument, JobList, view

LOOK_S = 0.5
HEARTBEAT_S = 15
UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # by nginx, among others

EVENT = {
    "type": "object",
    "properties": {"event": {"enum": ["job", "problem"]}, "data": {"type": "string"}},
}

router = APIRouter(tags=["jobs"])
FAULTS = (401, 404, 410, 500, 503)


@router.get("/jobs", responses=problems(401, 422, 500, 503))
def list_jobs(
    gateway: InGateway, owner: Owner, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> JobList:
    """The caller's jobs, the newest first."""
    return JobList(jobs=[view(job) for job in gateway.ledger.jobs(owner, limit)])


@router.get("/jobs/{job_id}", responses=problems(*FAULTS))
def get_job(gateway: InGateway, owner: Owner, job_id: str) -> JobDocument:
    """How a job stands."""
    return view(find_job(gateway, job_id, owner))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses=answers(
        {
            200: {
                "description": "server-sent events: `job` with the job's document whenever it changes, until it "
                "has ended; `problem` with a problem document if it is deleted",
                "content": {"text/event-stream": {"schema": EVENT}},
            }
        },
        *FAULTS,
    ),
)
async def follow_job(gateway: InGateway, owner: Owner, job_id: str) -> StreamingResponse:
    """A job's progress as it happens; a comment now and then keeps the connection alive."""
    first = view(await to_thread.run_sync(find_job, gateway, job_id, owner))
    events = _events(gateway, owner, first)
    return StreamingResponse(events, headers=UNBUFFERED, media_type="text/event-stream")


async def _events(gateway: Gateway, owner: str, job: JobDocument) -> AsyncIterator[bytes]:
    told, spoken = None, 0.0
    while True:
        if job != told:
            yield format_sse_event(event="job", data_str=job.model_dump_json())
            told, spoken = job, time.monotonic()
        elif time.monotonic() - spoken > HEARTBEAT_S:
            yield KEEPALIVE_COMMENT
            spoken = time.monotonic()
        if is_ending(job.status):
            return
        await anyio.sleep(LOOK_S)
        try:
            job = view(await to_thread.run_sync(find_job, gateway, job.id, owner))
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
