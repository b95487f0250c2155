"""Whether this installation can do its work: store and ledger answer, and every stage has a worker that is alive."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, get_args

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from parcela.errors import ParcelaError
from parcela.jobs.keys import PROBE
from parcela.jobs.records import Stage
from parcela.store.store import Store, StoreUnavailable, check_room
from parcela_gateway.dependencies import Gateway

ANSWER_S = 1.0  # in which a worker that lives answers
KEPT_S = 5.0  # asking costs a second and a write: not for every one who asks
MISSING_KEPT_S = 1.0  # who waits for the start wants to know soon


@dataclass(frozen=True)
class Readiness:
    """What was found. ``workers`` counts the live ones of each stage; a fault is said in a sentence."""

    store: str
    ledger: str
    workers: dict[Stage, int]

    @property
    def missing(self) -> list[str]:
        """What stands in the way, one sentence each."""
        faults = [
            f"{name}: {state}"
            for name, state in (("store", self.store), ("ledger", self.ledger))
            if state != "ok"
        ]
        return faults + [f"no worker for {stage}" for stage, n in self.workers.items() if not n]


@dataclass
class ReadinessCheck:
    """Looks, at most every few seconds."""

    gateway: Gateway
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: Readiness | None = None
    _at: float = 0.0

    def look(self) -> Readiness:
        """What is ready and what is missing, at most some seconds old."""
        with self._lock:
            kept_s = MISSING_KEPT_S if self._seen and self._seen.missing else KEPT_S
            if self._seen is None or time.monotonic() - self._at > kept_s:
                self._seen = self._look()
                self._at = time.monotonic()
            return self._seen

    def _look(self) -> Readiness:
        gateway = self.gateway
        store = _tried(lambda: _check_store(gateway.store, gateway.settings.min_free_mb))
        ledger = _tried(
            lambda: gateway.ledger.turn("probe", KEPT_S)
        )  # a write: a full disk allows reads
        return Readiness(store, ledger, self._workers() if ledger == "ok" else _nobody())

    def _workers(self) -> dict[Stage, int]:
        """Live workers of each stage: those that answer Celery's question for the queues they hear."""
        try:
            answers = self.gateway.doorbell.app.control.inspect(timeout=ANSWER_S).active_queues()
        except (OperationalError, RedisError, OSError):
            return _nobody()
        heard = [{queue["name"] for queue in queues} for queues in (answers or {}).values()]
        return {stage: sum(stage in queues for queues in heard) for stage in _nobody()}


def _nobody() -> dict[Stage, int]:
    return dict.fromkeys(get_args(Stage), 0)


def _check_store(store: Store, least_mb: int) -> None:
    """Raise StoreUnavailable unless it has room and takes files, and one that must be new only where none is."""
    check_room(store, least_mb)
    store.put(PROBE, b"ok")
    if store.create(PROBE, b"ok"):
        raise StoreUnavailable(
            "the S3 server disregards If-None-Match, without which scans could be mixed: update it"
        )


def _tried(action: Any) -> str:
    try:
        action()
    except ParcelaError as error:
        return str(error)
    return "ok"
