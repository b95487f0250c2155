"""`/models`, `/healthz`, `/readyz`, `/metrics`: what this installation is and how it fares."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from parcela.errors import Unavailable
from parcela.weights.cards import installed
from parcela_gateway.api import answers, problems
from parcela_gateway.dependencies import caller, of_request
from parcela_gateway.keys import sent_key
from parcela_gateway.metrics import CONTENT_TYPE_LATEST, Metrics
from parcela_gateway.problem import Refused, problem_response
from parcela_gateway.readiness import ReadinessCheck

router = APIRouter(tags=["about"])
CALLERS = [Depends(caller)]


class ModelCard(BaseModel):
    """A network, and the record of how it was made and what it can do."""

    model: str
    variant: str
    sha256: str
    card: dict[str, Any]


class ModelList(BaseModel):
    """The networks that ship."""

    models: list[ModelCard]


class Health(BaseModel):
    """That the gateway answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """That store and ledger answer, and every stage has a worker."""

    status: Literal["ready"] = "ready"
    store: str
    ledger: str
    workers: dict[str, int]


class NotReady(Unavailable):
    """Something that jobs need is away."""

    slug = "not-ready"


@router.get("/models", dependencies=CALLERS, responses=problems(401, 500, 503))
def list_models() -> ModelList:
    """The cards of the networks."""
    return ModelList(
        models=[
            ModelCard(model=card.model, variant=card.variant, sha256=card.sha256, card=card.record)
            for card in installed()
        ]
    )


@router.get("/healthz")
async def health() -> Health:
    """Whether the gateway is alive."""
    return Health()


@router.get("/readyz", response_model=Ready, responses=problems(503))
def ready(request: Request) -> Ready | JSONResponse:
    """Whether jobs can be taken and done: store, ledger and workers are looked at, every five seconds at most."""
    readiness_check: ReadinessCheck = request.app.state.readiness_check
    readiness = readiness_check.look()
    workers = {str(stage): count for stage, count in readiness.workers.items()}
    if not readiness.missing:
        return Ready(store=readiness.store, ledger=readiness.ledger, workers=workers)
    error = NotReady("; ".join(readiness.missing))
    parts = {"store": readiness.store, "ledger": readiness.ledger, "workers": workers}
    return problem_response(error, headers={"Retry-After": "5"}, extra=parts)


class NotForCallers(Refused):
    """The numbers of the whole installation are for who runs it."""

    status = 403
    slug = "not-for-callers"


async def _operator(request: Request) -> None:
    """Let in who has the key for the numbers, and everybody where no keys are; raises NotForCallers, NoKey."""
    gateway = of_request(request)
    key = gateway.settings.key_of_metrics
    if not gateway.keys.needed or (
        key and compare_digest(sent_key(request.headers).encode(), key.encode())
    ):
        return
    await caller(request)
    raise NotForCallers(
        "these numbers tell of all callers: ask with the key in PARCELA_METRICS_KEY"
    )


@router.get(
    "/metrics",
    dependencies=[Depends(_operator)],
    response_class=Response,
    responses=answers(
        {
            200: {
                "description": "in Prometheus's format",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
        *(401, 403, 429, 500),
    ),
)
def show_metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)
