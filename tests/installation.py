"""A ledger, a store and a doorbell on one computer, with the reconciler that keeps them together."""

from __future__ import annotations

import os
import time
from pathlib import Path

from job_requests import job_request
from parcela.jobs.doorbell import Doorbell
from parcela.jobs.job_files import commit_request, erase_job
from parcela.jobs.keys import (
    job_prefix,
    outcome_key,
    scan_key,
    stage_key,
)
from parcela.jobs.ledger import Claim, Ledger
from parcela.jobs.reconciler import Reconciler
from parcela.jobs.records import JobRequest, Stage
from parcela.settings import Settings
from parcela.store.folder import FolderStore
from parcela.store.store import Store
from redis_server import RedisServer

HOUR = 3600
DAY = 24 * HOUR
PREPROCESSED = ("image.npy", "brain_mask.npy", "trail.json", "preprocessed.json")


class Installation:
    """A ledger, a store and a doorbell, with their reconciler; the clock of files can be turned back."""

    def __init__(self, redis: RedisServer, folder: Path) -> None:
        self.redis, self.folder = redis, folder
        self.store: Store = FolderStore(folder)
        self.ledger = Ledger(redis.url, back_off_s=0)
        self.bell = Doorbell(redis.url)
        self.reconciler = Reconciler(self.ledger, self.store, self.bell, Settings(reconcile_s=0.1))

    def look(self) -> None:
        """One look that goes through the store as well."""
        self.redis.client.delete("parcela:turn:compare")
        self.reconciler.run_once()

    def accept(self, request: JobRequest | None = None, *, row: bool = True) -> JobRequest:
        """A job as the gateway accepts it."""
        request = request or job_request()
        self.store.put(scan_key(request.id, request.upload), b"scan")
        commit_request(self.store, request)
        if row:
            self.ledger.add(request)
        return request

    def claim(self, stage: Stage = "preprocess", lease_s: float = 30) -> Claim:
        claim = self.ledger.claim(stage, "worker", lease_s)
        assert claim is not None
        return claim

    def work(self, claim: Claim) -> None:
        """What a worker does with a job."""
        names = PREPROCESSED if claim.stage == "preprocess" else ("dseg.nii.gz", "manifest.json")
        for name in names:
            self.store.put(stage_key(claim.job.id, claim.stage, claim.token, name), b"x")
        self.ledger.advance(claim, {"work": 1.0})

    def finish(self) -> JobRequest:
        """A job that is done, its outcome written."""
        request = self.accept()
        self.work(self.claim())
        self.work(self.claim("inference"))
        self.reconciler.run_once()
        assert self.store.stat(outcome_key(request.id))
        return request

    def delete(self, request: JobRequest) -> None:
        """What the gateway does on DELETE."""
        erase_job(self.ledger, self.store, request.id, request.owner)

    def lose_memory(self) -> None:
        self.redis.client.flushall()

    def age(self, prefix: str, seconds: float) -> None:
        """Let files have been written so long ago."""
        then = time.time() - seconds
        for file in self.store.list(prefix):
            os.utime(self.folder / file.key, (then, then))

    def files(self, request: JobRequest) -> list[str]:
        prefix = job_prefix(request.id)
        return [file.key.removeprefix(prefix) for file in self.store.list(prefix)]

    def status(self, request: JobRequest) -> str | None:
        job = self.ledger.get(request.id)
        return None if job is None else job.status
