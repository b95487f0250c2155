"""Who watches: keeps the ledger's log beyond a loss of Redis, and asks after every job all the time, as callers do."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from chaos.installation import Installation
from parcela.errors import ParcelaError
from parcela.jobs.keys import outcome_key, request_key
from parcela.jobs.ledger import Transition
from parcela.jobs.ledger_row import transition_of
from parcela.store.store import NotStored, read

EVERY_S = 0.2
AT_A_TIME = 50  # jobs that are asked after in one look
LOG = "parcela:log"


class Witness:
    """Copies the log to a file, a new era after each loss of memory; notes what a caller should never see."""

    def __init__(self, here: Installation, file: Path) -> None:
        self._here, self._file = here, file
        self._lock = threading.Lock()
        self._last = "-"
        self.eras: list[list[Transition]] = [[]]
        self.remarks: list[str] = []
        self.accepted: set[str] = set()
        self.deleted: set[str] = set()
        self._outcomes: dict[str, bytes] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, after a last look."""
        self._stopping.set()
        self._thread.join()
        self.copy()

    def copy(self) -> None:
        """Copy what is new in the log."""
        with self._lock, self._here.redis.client as redis:
            self._keep(redis.xrange(LOG, self._last, "+"))

    def flush(self) -> None:
        """Empty Redis, and copy the log in the same breath: nothing can happen in between."""
        with self._lock, self._here.redis.client as redis, redis.pipeline() as together:
            together.xrange(LOG, self._last, "+")
            together.flushall()
            self._keep(together.execute()[0])
            self._begin_era()

    @contextmanager
    def blind(self) -> Iterator[None]:
        """Look away while Redis goes and comes: its log is then what it says, from its beginning."""
        with self._lock:
            yield
            self._begin_era()

    def _begin_era(self) -> None:
        self.eras.append([])
        self._last = "-"

    def _keep(self, entries: Any) -> None:
        with self._file.open("a") as file:
            for moment, fields in cast("list[tuple[str, dict[str, str]]]", entries):
                entry = transition_of(moment, fields)
                self.eras[-1].append(entry)
                file.write(json.dumps(asdict(entry) | {"era": len(self.eras)}) + "\n")
                self._last = f"({moment}"

    def _watch(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                self.copy()
                alive = list(self.accepted - self.deleted)
                for job_id in random.sample(alive, min(len(alive), AT_A_TIME)):
                    self._ask_after(job_id)
            except (ParcelaError, OSError, ConnectionError):  # Redis is away: callers get a 503
                continue
            except Exception as error:
                if type(error).__module__ != "redis.exceptions":
                    raise

    def _ask_after(self, job_id: str) -> None:
        """What a poll finds: the ledger's row, else the store's outcome or request."""
        outcome = self._in_store(outcome_key(job_id))
        before = self._outcomes.setdefault(job_id, outcome) if outcome else outcome
        known = self._here.ledger.get(job_id) or outcome or self._in_store(request_key(job_id))
        if job_id in self.deleted:
            return
        if not known:
            self.remarks.append(f"{job_id}: a poll found nothing of an accepted job")
        if outcome != before:
            self.remarks.append(f"{job_id}: its outcome changed")

    def _in_store(self, key: str) -> bytes | None:
        try:
            return read(self._here.store, key)
        except NotStored:
            return None
