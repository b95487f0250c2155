"""A gateway for the tests: uvicorn on a free port in a thread, and a worker that finishes jobs without computing."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx2

from nifti_files import image, nifti
from parcela.errors import StepFailed
from parcela.jobs.keys import stage_key
from parcela.jobs.ledger import Claim, Ledger
from parcela.jobs.records import STAGES, Job, Problem, Stage
from parcela.quality.grade import Judgement
from parcela.settings import Settings
from parcela.store.checksums import SUMS, sums
from parcela.store.store import Store
from parcela_gateway import dependencies
from parcela_gateway.app import create_app
from parcela_gateway.budgets.connections import GatewayServer, GuardedConnection, server_config
from parcela_gateway.prefix import BehindProxy
from patience import patient
from processes import wait_until

SCAN = gzip.compress(nifti(image()), 1, mtime=0)
MAP = gzip.compress(b"label map " * 1000, 1, mtime=0)
BUNDLE = {
    "dseg.nii.gz": MAP,
    "dseg.tsv": b"index\tname\n1\tPrecentral_L\n",
    "manifest.json": json.dumps({"schema_version": 1}).encode(),
    "report.html": b"<!doctype html><title>report</title>",
}


VERDICT = Judgement(verdict="look", reasons=("regions fall into pieces",))


class Gateway:
    """One that runs: a client of its API, and what lies behind it."""

    def __init__(
        self, url: str, service: dependencies.Gateway, connections: set[GuardedConnection]
    ) -> None:
        self.url = url
        self.service = service
        self.connections = connections
        self.http = httpx2.Client(base_url=url, timeout=patient(30))

    @property
    def store(self) -> Store:
        return self.service.store

    @property
    def ledger(self) -> Ledger:
        return self.service.ledger

    def submit(
        self, scan: bytes = SCAN, path: str = "/predict/", **request: Any
    ) -> httpx2.Response:
        """Send a scan as a client does."""
        return self.http.post(path, files={"file": ("Jane Doe.nii.gz", scan)}, **request)

    def accepted(self, scan: bytes = SCAN, **request: Any) -> str:
        """Send a scan that is taken; its job's id."""
        response = self.submit(scan, **request)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def stored(self) -> list[str]:
        """All that lies in the store, but the mark of the readiness probe."""
        return [s.key for s in self.store.list() if not s.key.startswith("health/")]

    def done(self, **request: Any) -> str:
        """A job that is done."""
        job_id = self.accepted(**request)
        while work_once(self.ledger, self.store) is not None:
            pass
        return job_id


def claim_any(ledger: Ledger) -> Claim | None:
    stages: tuple[Stage, ...] = ("preprocess", "inference", "labelling")
    return next((c for stage in stages if (c := ledger.claim(stage, "stub", 30))), None)


def work_once(
    ledger: Ledger, store: Store, bundle: Mapping[str, bytes] | None = None
) -> Job | None:
    """Do one stage of one job, whichever, and leave these files at the end; None when none waits."""
    claim = claim_any(ledger)
    if claim is None:
        return None
    last = claim.stage == STAGES[claim.job.kind][-1]
    if last:
        files = BUNDLE if bundle is None else bundle
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        for name, content in files.items():
            store.put(stage_key(claim.job.id, claim.stage, claim.token, name), content)
        store.put(stage_key(claim.job.id, claim.stage, claim.token, SUMS), sums(hashes))
    ledger.advance(claim, {claim.stage: 0.1}, VERDICT if last else None)
    return claim.job


def fail_once(ledger: Ledger) -> None:
    """Let one attempt of one job fail for good."""
    claim = claim_any(ledger)
    assert claim is not None
    problem = Problem.of(StepFailed("ROBEX found no brain in this scan: is it a T1-weighted head?"))
    ledger.fail(claim, problem, retry=False)


@contextmanager
def working(gateway: Gateway, stages: int) -> Iterator[None]:
    """A worker beside the test, which ends after so many stages."""

    def work() -> None:
        deadline = time.monotonic() + patient(20)
        left = stages
        while left and time.monotonic() < deadline:
            left -= work_once(gateway.ledger, gateway.store) is not None
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


@contextmanager
def serving(settings: Settings, *, reconcile: bool = False, port: int = 0) -> Iterator[Gateway]:
    """A gateway of these settings, on a free port unless one is given."""
    app = create_app(settings)
    lifespan = "on" if reconcile else "off"
    config = server_config(
        BehindProxy(app), settings, port=port, lifespan=lifespan, timeout_graceful_shutdown=1
    )
    server = GatewayServer(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "uvicorn did not start"
        time.sleep(0.01)
    bound = server.servers[0].sockets[0].getsockname()[1]
    connections = cast("set[GuardedConnection]", server.server_state.connections)
    gateway = Gateway(f"http://127.0.0.1:{bound}", app.state.gateway, connections)
    app.state.gateway.ledger.mark()
    try:
        yield gateway
    finally:
        gateway.http.close()
        server.should_exit = True
        thread.join()


class GatewayProcess:
    """A gateway in a process of its own, as it is run; its log goes to a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.pid, self.log = process.pid, log
        wait_until(lambda: process.poll() is not None or self._said_url())
        assert process.poll() is None, log.read_text()
        self.url = self._said_url()
        self.http = httpx2.Client(base_url=self.url, timeout=patient(30))

    def _said_url(self) -> str:
        said = re.search(r"running on (http://[\d.:]+)", self.log.read_text())
        return said.group(1) if said else ""


@contextmanager
def gateway_process(
    redis_url: str, store: Path, descriptors: int | None = None, /, **environment: str
) -> Iterator[GatewayProcess]:
    """``python -m parcela_gateway`` over this Redis and this folder; with no more than so many descriptors."""
    log = store.with_name("gateway.log")
    given = {"PARCELA_REDIS": redis_url, "PARCELA_STORE": str(store), "PARCELA_PORT": "0"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "parcela_gateway"],
            env=os.environ | given | environment,
            stdout=file,
            stderr=file,
        )
    if descriptors is not None:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (descriptors, descriptors))
    try:
        running = GatewayProcess(process, log)
        with running.http:
            yield running
    finally:
        process.terminate()
        process.wait(patient(10))
