"""What every route works with: the settings, the ledger, the store, the doorbell."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Annotated

import anyio
from fastapi import Depends, Request

from parcela.jobs.doorbell import Doorbell
from parcela.jobs.ledger import Ledger
from parcela.jobs.records import Stage
from parcela.settings import Settings
from parcela.store.open import open_store
from parcela.store.store import Store
from parcela_gateway.budgets.places import Places
from parcela_gateway.download.blocks import Blocks
from parcela_gateway.keys import Keys

log = logging.getLogger("parcela.gateway")


@dataclass(frozen=True, eq=False)
class Gateway:
    """One installation, as the gateway sees it."""

    settings: Settings
    ledger: Ledger
    store: Store
    doorbell: Doorbell
    keys: Keys
    uploads: Places
    upload_threads: anyio.CapacityLimiter  # as many as places: nobody waits for one
    blocks: Blocks = field(default_factory=Blocks)

    @classmethod
    def of(cls, settings: Settings) -> Gateway:
        """What the settings name.

        Raises:
            Unavailable: the store cannot be opened, or keys are needed and there are none.
        """
        keys = Keys.of(settings)
        ledger, bells = Ledger(settings.redis_url, hurried=True), Doorbell(settings.redis_url)
        places = Places(settings.uploads, settings.uploads_each)
        threads = anyio.CapacityLimiter(settings.uploads)
        return cls(settings, ledger, open_store(settings), bells, keys, places, threads)

    def ring(self, stage: Stage) -> None:
        """Say that a stage has work. A bell that cannot be rung is rung later by the reconciler."""
        if not self.doorbell.ring(stage):
            log.warning("no bell rung for %s: Redis does not answer", stage)


def of_request(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


async def caller(request: Request) -> str:
    """The owner that this request speaks for; raises NoKey (401)."""
    return of_request(request).keys.owner(request.headers, request.cookies)


async def _gateway(request: Request) -> Gateway:
    return of_request(request)


InGateway = Annotated[Gateway, Depends(_gateway)]
Owner = Annotated[str, Depends(caller)]
