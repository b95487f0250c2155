"""The application: routes, doors and errors put together; nothing happens here that is not one line somewhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from parcela.bundle.manifest import software_versions
from parcela.jobs.reconciler import Reconciler
from parcela.settings import Settings
from parcela_gateway.access_log import AccessLog, AuditLog
from parcela_gateway.api import describe
from parcela_gateway.dependencies import Gateway
from parcela_gateway.host_and_origin import LOOPBACK, Doorkeeper
from parcela_gateway.metrics import Metrics
from parcela_gateway.page import guide, pages
from parcela_gateway.problem import add_handlers
from parcela_gateway.readiness import ReadinessCheck
from parcela_gateway.routes import about, jobs, results, session, submit

PARTS = (submit, jobs, results, about, session, pages, guide)


def create_app(settings: Settings) -> FastAPI:
    """The gateway of the installation that the settings describe. Its reconciler runs while the application does.

    Raises:
        Unavailable: no store is named; or others reach this gateway and there are no keys.
    """
    gateway = Gateway.of(settings)
    app = FastAPI(
        title="Parcela",
        version=software_versions().get("parcela", "unknown"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_reconciled,
    )
    app.state.gateway = gateway
    app.state.metrics = Metrics(gateway.ledger)
    app.state.readiness_check = ReadinessCheck(gateway)
    for part in PARTS:
        app.include_router(part.router)
    app.state.routes = [route for part in PARTS for route in part.router.routes]
    app.state.routes += _answer_head(app, app.state.routes)
    add_handlers(app)
    describe(app, keys=gateway.keys.needed)
    app.add_middleware(
        Doorkeeper, hosts=_hosts(settings, gateway), same_site=not gateway.keys.needed
    )
    audit = AuditLog(settings.audit_log, addresses=settings.audit_addresses)
    app.add_middleware(AccessLog, metrics=app.state.metrics, audit=audit)
    return app


def _answer_head(app: FastAPI, routes: Sequence[BaseRoute]) -> list[BaseRoute]:
    """Have every document answer to HEAD as well (Starlette's routes do by themselves, FastAPI's do not)."""
    before = len(app.routes)
    for route in routes:
        if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()):
            continue
        if route.response_class is StreamingResponse:
            continue  # it would be followed to its end
        app.add_api_route(
            route.path,
            route.endpoint,
            methods=["HEAD"],
            response_model=route.response_model,
            response_class=route.response_class,
            dependencies=route.dependencies,
            include_in_schema=False,
        )
    return app.routes[before:]


@asynccontextmanager
async def _reconciled(app: FastAPI) -> AsyncIterator[None]:
    gateway: Gateway = app.state.gateway
    reconciler = Reconciler(gateway.ledger, gateway.store, gateway.doorbell, gateway.settings)
    reconciler.start()
    try:
        yield
    finally:
        await to_thread.run_sync(reconciler.stop)


def _hosts(settings: Settings, gateway: Gateway) -> frozenset[str]:
    """The names to answer to. With keys and no list any will do: what asks has a key."""
    named = {name.strip().lower() for name in settings.allowed_hosts.split(",")} - {""}
    if gateway.keys.needed and not named:
        return frozenset()
    return LOOPBACK | named
