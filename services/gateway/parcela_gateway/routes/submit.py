"""`POST /predict/` and `POST /label/`: a scan in, a job out; or, for who asks for gzip, the label map itself."""

from __future__ import annotations

import time
from typing import Annotated

import anyio
from anyio import to_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from parcela.jobs.records import Job
from parcela.options import LabelOptions, PredictOptions
from parcela_gateway.api import MAP, SCAN_BODY, answers
from parcela_gateway.dependencies import Gateway, InGateway, Owner
from parcela_gateway.jobs import followed
from parcela_gateway.problem import Refused, problem_response
from parcela_gateway.routes.parameters import IdempotencyKey, Label, Predict
from parcela_gateway.routes.results import result_file
from parcela_gateway.schemas import JobDocument, job_path, view
from parcela_gateway.upload.submission import Submission, submit

WANTS_MAP = {"application/gzip", "application/x-gzip"}
LOOK_S = 0.5

Accept = Annotated[
    str,
    Header(description="`application/gzip`: wait for the job and answer with the label map itself"),
]

router = APIRouter(tags=["submit"])
ANSWERS = answers(
    {
        200: {
            "description": "the label map, to who accepts `application/gzip` alone",
            "content": MAP,
        },
        202: {
            "description": "accepted: the job",
            "model": JobDocument,
            "headers": {"Location": {"schema": {"type": "string"}, "description": "of the job"}},
        },
    },
    *(400, 401, 408, 409, 410, 413, 415, 422, 429, 500, 503, 504),
)


class NotReadyInTime(Refused):
    """The job outlasts the caller's wait, or this server's; it goes on."""

    status = 504
    slug = "not-ready-in-time"


class JobCancelled(Refused):
    """Somebody cancelled the job that this caller waits for."""

    status = 409
    slug = "job-cancelled"


@router.post("/predict", include_in_schema=False)
@router.post("/predict/", status_code=202, responses=ANSWERS, openapi_extra=SCAN_BODY)
async def predict(
    request: Request,
    gateway: InGateway,
    owner: Owner,
    query: Predict,
    accept: Accept = "*/*",
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Parcellate a T1-weighted scan with the networks."""
    return await _answer(
        request,
        gateway,
        Submission(owner, "predict", query.chosen(PredictOptions), idempotency_key),
        accept,
    )


@router.post("/label", include_in_schema=False)
@router.post("/label/", status_code=202, responses=ANSWERS, openapi_extra=SCAN_BODY)
async def label(
    request: Request,
    gateway: InGateway,
    owner: Owner,
    query: Label,
    accept: Accept = "*/*",
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Label a T1-weighted scan by registration of the atlas."""
    return await _answer(
        request,
        gateway,
        Submission(owner, "label", query.chosen(LabelOptions), idempotency_key),
        accept,
    )


async def _answer(
    request: Request, gateway: Gateway, submission: Submission, accept: str
) -> Response:
    if wants_map(accept):
        with gateway.listeners.one(submission.owner):
            return await _answer_with_map(request, gateway, submission)
    job = await submit(gateway, request, submission)
    request.state.job = job.id
    return JSONResponse(view(job).model_dump(), 202, {"Location": job_path(job.id)})


async def _answer_with_map(request: Request, gateway: Gateway, submission: Submission) -> Response:
    job = await submit(gateway, request, submission)
    request.state.job = job.id
    location = {"Location": job_path(job.id)}
    job = await _ended(request, gateway, job, submission.owner)
    if job.problem is not None:
        return problem_response(job.problem, headers=location, extra={"job": job_path(job.id)})
    response = await to_thread.run_sync(result_file, gateway, request, job)
    response.headers.update(location)
    return response


def wants_map(accept: str) -> bool:
    """Whether a caller names gzip among what it takes; one that takes anything gets the job."""
    kinds = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    return bool(kinds & WANTS_MAP)


async def _ended(request: Request, gateway: Gateway, job: Job, owner: str) -> Job:
    """The job once it is done or has failed.

    Raises:
        NotReadyInTime: it has not ended. JobCancelled, JobDeleted: it never will.
    """
    deadline = time.monotonic() + gateway.settings.wait_s
    link = {"job": job_path(job.id)}
    with gateway.followed.follow(job.id):
        while not job.ended:
            if time.monotonic() >= deadline or await request.is_disconnected():
                raise NotReadyInTime(
                    f"not done within {gateway.settings.wait_s:g} s; the job goes on: see {link['job']}",
                    headers={"Location": link["job"]},
                    extra=link,
                )
            await anyio.sleep(LOOK_S)
            job = await followed(gateway, job.id, owner, LOOK_S)
    if job.status == "cancelled":
        raise JobCancelled("the job was cancelled", extra=link)
    return job
