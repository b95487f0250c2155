"""What is disturbed: workers and reconcilers as processes of their own, on a Redis behind a proxy, on a folder."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from chaos.stub_stage import SIZE
from cutting_proxy import CuttingProxy
from job_requests import job_request
from parcela.jobs.doorbell import Doorbell
from parcela.jobs.job_files import commit_request, erase_job
from parcela.jobs.keys import scan_key
from parcela.jobs.ledger import Ledger, LedgerUnavailable
from parcela.jobs.records import JobRequest
from parcela.store.folder import FolderStore
from parcela.store.store import Store
from redis_server import RedisServer

LEASE_S = 2.0
ENVIRONMENT = {
    "PARCELA_LEASE_S": str(LEASE_S),
    "PARCELA_RECONCILE_S": "0.5",
    "PARCELA_ATTEMPTS": "100",  # whether a job fails after three is tested elsewhere: here all shall be done
    "PARCELA_BACK_OFF_S": "0.1",
}
TESTS = Path(__file__).parents[1]


class Service:
    """A process that is started again whenever it is found dead."""

    def __init__(self, role: str, environment: dict[str, str], log: Path) -> None:
        self.role, self._environment, self._log = role, environment, log
        self._process: subprocess.Popen[bytes] | None = None

    def keep_alive(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chaos", self.role],
                env=os.environ | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def send(self, with_signal: signal.Signals) -> None:
        """Signal the process, if it lives."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(with_signal)

    def children(self) -> list[psutil.Process]:
        """All that it started, watchers and compute children."""
        try:
            assert self._process is not None
            return list(psutil.Process(self._process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def end(self) -> None:
        """Wait until it has left, but not for ever."""
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Installation:
    """Workers, reconcilers, Redis and store; and what a gateway does when a job comes or goes."""

    def __init__(self, folder: Path, redis: RedisServer, proxy: CuttingProxy, workers: int) -> None:
        self.redis, self.proxy = redis, proxy
        self.store: Store = FolderStore(folder / "store")
        self.ledger = Ledger(redis.url)
        self.doorbell = Doorbell(redis.url)
        environment = ENVIRONMENT | {
            "PARCELA_REDIS": proxy.url,
            "PARCELA_STORE": str(folder / "store"),
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        }
        self.workers, self.reconcilers = (
            [Service(role, environment, folder / f"{role}-{n}.log") for n in range(count)]
            for role, count in (("worker", workers), ("reconciler", 2))
        )

    @property
    def services(self) -> list[Service]:
        return [*self.workers, *self.reconcilers]

    def keep_alive(self) -> None:
        """Start whatever is not running."""
        for service in self.services:
            service.keep_alive()

    def accept(self, chance: random.Random) -> tuple[JobRequest, bytes]:
        """Take a job in as the gateway does: scan, commit mark, row, bell."""
        request, scan = job_request(), chance.randbytes(SIZE)
        self.store.put(scan_key(request.id, request.upload), scan)
        commit_request(self.store, request)
        try:
            self.ledger.add(request)
            self.doorbell.ring("preprocess")
        except LedgerUnavailable:
            pass  # committed all the same
        return request, scan

    def delete(self, job_id: str) -> None:
        """Erase a job as the gateway does."""
        erase_job(self.ledger, self.store, job_id, "local")

    def end(self) -> None:
        """End all services, all at once."""
        for service in self.services:
            service.send(signal.SIGCONT)
            service.send(signal.SIGTERM)
        for service in self.services:
            service.end()
