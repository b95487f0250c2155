"""The application: routes, doors and errors put together; nothing happens here that is not one line somewhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI

from parcela.bundle.manifest import software_versions
from parcela.jobs.reconciler import Reconciler
from parcela.settings import Settings
from parcela_gateway.access_log import AccessLog
from parcela_gateway.api import describe
from parcela_gateway.dependencies import Gateway
from parcela_gateway.host_and_origin import LOOPBACK, Doorkeeper
from parcela_gateway.metrics import Metrics
from parcela_gateway.page import pages
from parcela_gateway.problem import add_handlers
from parcela_gateway.readiness import ReadinessCheck
from parcela_gateway.routes import about, jobs, results, submit

PARTS = (submit, jobs, results, about, pages)


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
    app.state.routes = [route for part in PARTS for route in part.router.routes]
    for part in PARTS:
        app.include_router(part.router)
    add_handlers(app)
    describe(app, keys=gateway.keys.needed)
    app.add_middleware(
        Doorkeeper, hosts=_hosts(settings, gateway), same_site=not gateway.keys.needed
    )
    app.add_middleware(AccessLog, metrics=app.state.metrics)
    return app


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
