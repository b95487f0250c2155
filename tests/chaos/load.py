"""Strangers beside honest use: what an honest caller waits, while others hold or ask as much as they can.

Strangers run in a process of their own, so that their work is not taken for the gateway's.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import httpx2
import psutil

from chaos.recovery import percentile_99
from gateway_server import SCAN, GatewayProcess, gateway_process, work_once
from parcela.jobs.job_files import write_outcome
from parcela.jobs.ledger import Ledger
from parcela.store.folder import FolderStore
from redis_server import RedisServer
from slow_client import SlowClient

Crowd = Literal["nobody", "slow uploads", "idle connections", "listeners", "pollers, Redis frozen"]
HONEST, STRANGERS = "h" * 32, ("x" * 32, "y" * 32, "z" * 32)
SIZES: dict[Crowd, int] = {
    "nobody": 0,
    "slow uploads": 200,
    "idle connections": 300,
    "listeners": 300,
    "pollers, Redis frozen": 60,
}
DESCRIPTORS = 256  # of the gateway, beside idle connections
PAUSE_S = 0.05
BETWEEN_UPLOADS_S = 2.0
GET = "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\n\r\n"


@dataclass
class Waits:
    """What an honest caller waited, in seconds, the statuses of the answers, and how many came to nothing.

    ``processor`` is the share of one core that the gateway took meanwhile, whatever else the machine does.
    """

    healthz: list[float] = field(default_factory=list)
    job: list[float] = field(default_factory=list)
    upload: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    cut: int = 0
    processor: float = 0.0


@dataclass(frozen=True)
class Row:
    """One crowd, and honest use beside it; milliseconds, but for the upload's seconds."""

    crowd: Crowd
    size: int
    healthz_p99_ms: float
    job_p99_ms: float
    job_max_ms: float
    upload_max_s: float
    requests: int
    statuses: list[int]
    cut: int
    processor: float

    @classmethod
    def of(cls, crowd: Crowd, waits: Waits) -> Row:
        return cls(
            crowd,
            SIZES[crowd],
            round(1000 * percentile_99(waits.healthz), 1),
            round(1000 * percentile_99(waits.job), 1),
            round(1000 * max(waits.job, default=math.nan), 1),
            round(max(waits.upload, default=math.nan), 2),
            len(waits.healthz) + len(waits.job),
            sorted(waits.statuses),
            waits.cut,
            round(waits.processor, 3),
        )

    @property
    def kept(self) -> bool:
        """Whether it is as promised."""
        quick = self.healthz_p99_ms < 200 and self.job_p99_ms < 200 and self.upload_max_s < 5
        return quick and not self.cut


def measure(crowd: Crowd, redis: RedisServer, folder: Path, seconds: float) -> Row:
    """Honest use beside one crowd, for so long."""
    descriptors = DESCRIPTORS if crowd == "idle connections" else None
    keys = ",".join((HONEST, *STRANGERS))
    with ExitStack() as stack:
        gateway = stack.enter_context(
            gateway_process(redis.url, folder / "store", descriptors, PARCELA_API_KEYS=keys)
        )
        job_id = _finished_job(gateway, redis, folder)
        others = [_accepted(gateway, key) for key in STRANGERS]
        if crowd == "listeners":
            stack.enter_context(_changing(redis))
        if crowd == "pollers, Redis frozen":
            redis.signal(signal.SIGSTOP)
            stack.callback(redis.signal, signal.SIGCONT)
        stack.enter_context(_strangers(crowd, gateway.url, others))
        process = psutil.Process(gateway.pid)
        before_s = sum(process.cpu_times()[:2])
        waits = _honest_use(gateway.url, job_id, seconds)
        waits.processor = (sum(process.cpu_times()[:2]) - before_s) / seconds
        return Row.of(crowd, waits)


def _accepted(gateway: GatewayProcess, key: str) -> str:
    answer = gateway.http.post("/predict/", files={"file": SCAN}, headers={"X-API-Key": key})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _finished_job(gateway: GatewayProcess, redis: RedisServer, folder: Path) -> str:
    job_id, ledger = _accepted(gateway, HONEST), Ledger(redis.url)
    store = FolderStore(folder / "store")
    while work_once(ledger, store) is not None:
        pass
    job = ledger.get(job_id)
    assert job is not None
    write_outcome(store, job)
    return job_id


@contextmanager
def _changing(redis: RedisServer) -> Iterator[None]:
    """A worker's progress on one of the jobs, so that there is something to hear."""
    ledger, over = Ledger(redis.url), threading.Event()
    claim = ledger.claim("preprocess", "worker", 600)
    assert claim is not None

    def work() -> None:
        for step in range(10_000):
            if over.wait(0.5):
                return
            ledger.renew(claim, 600, f"step {step}", 0.1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _strangers(crowd: Crowd, url: str, jobs: list[str]) -> Iterator[None]:
    if not SIZES[crowd]:
        yield
        return
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=stand_about, args=(crowd, url, jobs), daemon=True)
    process.start()
    try:
        time.sleep(5)  # until they are all there
        yield
    finally:
        process.kill()
        process.join()


def stand_about(crowd: Crowd, url: str, jobs: list[str]) -> None:
    """Be so many strangers, until killed; who is sent away comes back."""
    arrive = ARRIVALS[crowd]
    clients: list[SlowClient | None] = [None] * SIZES[crowd]
    while True:
        for number, client in enumerate(clients):
            clients[number] = _still_there(client) or _arrived(arrive, url, jobs, number)
        if crowd != "pollers, Redis frozen":
            time.sleep(1)


def _arrived(
    arrive: Callable[[SlowClient, str, str], object], url: str, jobs: list[str], number: int
) -> SlowClient | None:
    try:
        client = SlowClient(url)
        arrive(client, jobs[number % len(jobs)], STRANGERS[number % len(STRANGERS)])
        client.socket.setblocking(False)
    except OSError:
        return None
    return client


def _still_there(client: SlowClient | None) -> SlowClient | None:
    """The client, once it has heard what came, and has sent a byte more; None where it was sent away."""
    if client is None:
        return None
    try:
        with suppress(BlockingIOError):
            while heard := client.socket.recv(65536):
                pass
            if not heard:
                raise ConnectionError
        if client.slow:
            client.send(b"x")
    except OSError:
        client.socket.close()
        return None
    return client


def _upload(client: SlowClient, job: str, key: str) -> None:
    client.upload(10**7, b"\x1f", key)
    client.slow = True


def _idle(client: SlowClient, job: str, key: str) -> None:
    pass


def _listen(client: SlowClient, job: str, key: str) -> None:
    client.send(GET.format(path=f"/jobs/{job}/events", host=client.host, key=key).encode())


def _poll(client: SlowClient, job: str, key: str) -> None:
    client.send(GET.format(path=f"/jobs/{job}", host=client.host, key=key).encode())


ARRIVALS: dict[Crowd, Callable[[SlowClient, str, str], object]] = {
    "slow uploads": _upload,
    "idle connections": _idle,
    "listeners": _listen,
    "pollers, Redis frozen": _poll,
}


def _honest_use(url: str, job_id: str, seconds: float) -> Waits:
    waits, end = Waits(), time.monotonic() + seconds
    errands = (
        (waits.healthz, PAUSE_S, lambda http: http.get("/healthz")),
        (waits.job, PAUSE_S, lambda http: http.get(f"/jobs/{job_id}")),
        (
            waits.upload,
            BETWEEN_UPLOADS_S,
            lambda http: http.post("/predict/", files={"file": SCAN}),
        ),
    )

    def go(
        took: list[float], pause_s: float, ask: Callable[[httpx2.Client], httpx2.Response]
    ) -> None:
        with httpx2.Client(base_url=url, headers={"X-API-Key": HONEST}, timeout=30) as http:
            while time.monotonic() < end:
                begun = time.monotonic()
                try:
                    waits.statuses.add(ask(http).status_code)
                except httpx2.HTTPError:
                    waits.cut += 1
                took.append(time.monotonic() - begun)
                time.sleep(pause_s)

    threads = [threading.Thread(target=go, args=errand) for errand in errands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def table(rows: list[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| beside | | `/healthz` p99 | `GET /jobs/<id>` p99 (longest) | honest upload, longest | processor | |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.crowd} | {row.size} | {row.healthz_p99_ms:.0f} ms | {row.job_p99_ms:.0f} ms "
        f"({row.job_max_ms:.0f} ms) | {row.upload_max_s:.1f} s | {row.processor:.0%} | "
        f"{'kept' if row.kept else 'not kept'} |"
        for row in rows
    ]
    return "\n".join(lines)


def as_json(rows: list[Row]) -> list[dict[str, object]]:
    """The rows for a file."""
    return [asdict(row) | {"kept": row.kept} for row in rows]
