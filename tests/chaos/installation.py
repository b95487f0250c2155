"""What is disturbed: workers and gateways as processes of their own, on a Redis behind a proxy, on a folder or S3."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chaos.caller import Caller
from chaos.faulty_store import MOODS, Mood
from cutting_proxy import CuttingProxy
from job_requests import job_request
from parcela.jobs.doorbell import Doorbell
from parcela.jobs.job_files import commit_request
from parcela.jobs.keys import scan_key
from parcela.jobs.ledger import Ledger
from parcela.settings import Settings
from parcela.store.open import open_store
from parcela.store.store import Store
from processes import free_port
from redis_server import RedisServer
from s3_server import store_settings

LEASE_S = 2.0
ENVIRONMENT = {
    "PARCELA_RECONCILE_S": "0.5",
    "PARCELA_ATTEMPTS": "100",  # whether a job fails after three is tested elsewhere: here all shall be done
    "PARCELA_BACK_OFF_S": "0.1",
    "PARCELA_MAX_WAITING": "100000",
    "PARCELA_MAX_WAITING_EACH": "100000",
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

    @property
    def pid(self) -> int:
        """Of the process as it was started last; 0 before."""
        return self._process.pid if self._process else 0

    @property
    def name(self) -> str:
        """The name under which it claims jobs, if it is a worker."""
        return f"{socket.gethostname()}:{self.pid}"

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


@dataclass(frozen=True)
class Scale:
    """How much runs, and how fast.

    Attributes:
        workers, gateways: how many of each.
        store: a folder's path, or the settings of an S3 server as variables of the environment.
        lease_s: a worker that is silent for so long has lost its job.
        step_s: the longest of a stage's four steps.
        size: bytes of each file.
    """

    workers: int
    gateways: int = 2
    store: dict[str, str] = field(default_factory=dict)
    lease_s: float = LEASE_S
    step_s: float = 1.0
    size: int = 256 * 1024


class Installation:
    """Workers, gateways, Redis and store; and the caller who speaks to the gateways."""

    def __init__(self, folder: Path, redis: RedisServer, proxy: CuttingProxy, scale: Scale) -> None:
        self.redis, self.proxy, self.scale = redis, proxy, scale
        self._mood = folder / "mood"
        place = {"PARCELA_STORE": str(folder / "store")} | scale.store
        chosen = Settings(**{k.removeprefix("PARCELA_").lower(): v for k, v in place.items()})  # type: ignore[arg-type]
        self.store: Store = open_store(chosen)
        self.ledger = Ledger(redis.url)
        self.doorbell = Doorbell(redis.url)
        environment = ENVIRONMENT | place
        environment |= {
            "PARCELA_REDIS": proxy.url,
            "PARCELA_LEASE_S": str(scale.lease_s),
            "CHAOS_STEP_S": str(scale.step_s),
            "CHAOS_SIZE": str(scale.size),
            MOODS: str(self._mood),
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        }
        self.workers = [
            Service("worker", environment, folder / f"worker-{n}.log") for n in range(scale.workers)
        ]
        ports = [free_port() for _ in range(scale.gateways)]
        self.gateways = [
            Service(
                "gateway", environment | {"PARCELA_PORT": str(port)}, folder / f"gateway-{n}.log"
            )
            for n, port in enumerate(ports)
        ]
        self.caller = Caller([f"http://127.0.0.1:{port}" for port in ports], scale.size)

    @property
    def services(self) -> list[Service]:
        return [*self.workers, *self.gateways]

    def keep_alive(self) -> None:
        """Start whatever is not running."""
        for service in self.services:
            service.keep_alive()

    def feel(self, mood: Mood) -> None:
        """Let the store fail, or be well again, for every process at once."""
        self._mood.write_text(mood)

    def leave_an_older_job(self, scan: bytes) -> str:
        """A job as a release before uploads had tokens left it: in the store alone. Its id."""
        request = job_request().model_copy(update={"version": 1, "upload": "", "kept_sha256": ""})
        self.store.put(scan_key(request.id, ""), scan)
        commit_request(self.store, request)
        return request.id

    def end(self) -> None:
        """End all services, all at once."""
        self.caller.close()
        for service in self.services:
            service.send(signal.SIGCONT)
            service.send(signal.SIGTERM)
        for service in self.services:
            service.end()


def s3_environment(address: str) -> dict[str, str]:
    """A fresh bucket of an S3 server, as variables of the environment."""
    chosen = store_settings(address)
    return {
        "PARCELA_STORE": chosen.store or "",
        "PARCELA_STORE_ACCESS_KEY": chosen.store_access_key,
        "PARCELA_STORE_SECRET_KEY": chosen.store_secret_key,
    }
