"""What every route works with: the settings, the ledger, the store, the doorbell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar, TypeVarTuple, Unpack

import anyio
from anyio import to_thread
from fastapi import Depends, Request

from parcela.jobs.doorbell import Doorbell
from parcela.jobs.ledger import Ledger
from parcela.jobs.records import Stage
from parcela.settings import Settings
from parcela.store.open import open_store
from parcela.store.store import Store
from parcela_gateway.budgets.places import Listeners, Places
from parcela_gateway.budgets.wrong_keys import WrongKeys
from parcela_gateway.download.blocks import Blocks
from parcela_gateway.followed_jobs import FollowedJobs
from parcela_gateway.keys import Keys, has_key

POLLS = 64  # threads that wait for the ledger's answers to callers
Given = TypeVarTuple("Given")
Answer = TypeVar("Answer")

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
    listeners: Listeners
    wrong_keys: WrongKeys
    followed: FollowedJobs
    polls: anyio.CapacityLimiter
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
        polls = anyio.CapacityLimiter(POLLS)
        return cls(
            settings,
            ledger,
            open_store(settings),
            bells,
            keys,
            uploads=Places(settings.uploads, settings.uploads_each),
            listeners=Listeners(settings.listeners_each),
            wrong_keys=WrongKeys(settings.wrong_keys),
            followed=FollowedJobs(ledger, polls),
            polls=polls,
            upload_threads=anyio.CapacityLimiter(settings.uploads),
        )

    async def ask(self, question: Callable[[Unpack[Given]], Answer], *given: *Given) -> Answer:
        """What the ledger is asked for a caller, in one of the threads for that: a slow Redis holds no others."""
        return await to_thread.run_sync(question, *given, limiter=self.polls)

    def ring(self, stage: Stage) -> None:
        """Say that a stage has work. A bell that cannot be rung is rung later by the reconciler."""
        if not self.doorbell.ring(stage):
            log.warning("no bell rung for %s: Redis does not answer", stage)


def of_request(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


async def caller(request: Request) -> str:
    """The owner that this request speaks for; raises NoKey (401)."""
    gateway = of_request(request)
    return let_in(request, lambda: gateway.keys.owner(request.headers, request.cookies))


def let_in(request: Request, owner_of: Callable[[], str]) -> str:
    """The owner, unless too many wrong keys came from there; raises NoKey, TooManyWrongKeys."""
    address = request.client.host if request.client else ""
    tried = has_key(request.headers)
    with of_request(request).wrong_keys.watched(address, tried=tried) as check_in:
        owner = owner_of()
        check_in(owner)
    request.state.owner = owner
    return owner


async def _gateway(request: Request) -> Gateway:
    return of_request(request)


InGateway = Annotated[Gateway, Depends(_gateway)]
Owner = Annotated[str, Depends(caller)]
