"""The embedded stack: a Redis of its own, a folder as the store, the gateway and the workers, as child processes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import httpx2
import psutil

from parcela.errors import BadRequest, Unavailable
from parcela.settings import settings
from parcela_cli.serve import redis as own_redis
from parcela_cli.serve.data_folder import DataFolder
from parcela_cli.serve.supervisor import Part, Supervisor

TEND_S = 0.2
ASK_S = 1.0  # between two questions whether it is ready
OLD_ONE_S = 5.0  # by then nothing is left of a start that was killed
STILLBORN = 3  # deaths of one part before the server was ever ready
WORKER_GB = 4.0  # of the memory, for one worker that preprocesses and its share of the rest
MOST_WORKERS = 4
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def run(
    folder: DataFolder,
    host: str,
    port: int,
    *,
    on_ready: Callable[[str], None],
    say: Callable[[str], None],
) -> None:
    """Run the service until a signal ends it.

    Args:
        folder: where jobs, results and logs lie.
        host: the address to listen at.
        port: its port.
        on_ready: called once with the URL when the service can take jobs.
        say: told of what a user should know, in one sentence each.

    Raises:
        BadRequest: the folder or the port is taken.
        Unavailable: Redis is not installed, or a part does not start; with its last words.
    """
    program = own_redis.find_program()
    with folder.held(), _signals() as stopped:
        _clear_up(folder)
        folder.sweep()
        check_port(host, port)
        sockets = own_redis.socket_folder()
        supervisor = Supervisor(folder.logs, say)
        try:
            path, url = sockets / own_redis.SOCKET, url_of(host, port)
            folder.announce(url, path)
            supervisor.start(own_redis.redis_part(program, folder.redis, path))
            if not own_redis.wait_until(True, path, own_redis.START_S):
                raise Unavailable(f"Redis does not start: {supervisor.last_line('redis')}")
            for part in parts(folder, path, host, port):
                supervisor.start(part)
            _watch(supervisor, url, stopped, on_ready)
        finally:
            supervisor.stop_all()
            shutil.rmtree(sockets, ignore_errors=True)


def parts(folder: DataFolder, socket_path: Path, host: str, port: int) -> list[Part]:
    """Everything that leans on Redis: the gateway, workers for what ROBEX and ANTs do, and one for the networks."""
    environment = {
        "PARCELA_REDIS": own_redis.url(socket_path),
        "PARCELA_STORE": str(folder.store),
        "PARCELA_HOST": host,
        "PARCELA_PORT": str(port),
        "PARCELA_PUBLISHED": host,
    }
    audit = {"PARCELA_AUDIT_LOG": str(settings().audit_log or folder.logs / "audit.log")}
    private = {"TMPDIR": str(folder.work)}
    worker = [sys.executable, "-P", "-m", "parcela_cli.app", "worker"]
    return [
        Part("gateway", [sys.executable, "-P", "-m", "parcela_gateway"], environment | audit),
        *(
            Part(name, [*worker, "preprocess", "labelling"], environment | private)
            for name in ("preprocess", *(f"preprocess-{n}" for n in range(2, workers() + 1)))
        ),
        Part("inference", [*worker, "inference"], environment | private),
    ]


def workers() -> int:
    """How many preprocess at once: ROBEX and ANTs run on one core, and take as long as ten scans in the networks."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    room = psutil.virtual_memory().total / 1e9 / WORKER_GB
    return max(1, min(cores or 1, int(room), MOST_WORKERS))


def url_of(host: str, port: int) -> str:
    """The URL at which this machine reaches what listens there."""
    reached = EVERYWHERE.get(host, host)
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"


def check_port(host: str, port: int) -> None:
    """Refuse, before anything is started, an address that cannot be listened at.

    Raises:
        BadRequest: with what is in the way.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = addresses[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadRequest(
                f"port {port} is in use: stop what listens there, or choose another with --port"
            ) from error
        raise BadRequest(
            f"--host {host} --port {port}: cannot be listened at ({error.strerror or error}): choose another"
        ) from error


def _clear_up(folder: DataFolder) -> None:
    """What a start that was killed left behind; its Redis must be gone before ours opens the same file."""
    if (old := folder.running()) is None:
        return
    path = Path(old.socket)
    if not own_redis.wait_until(False, path, OLD_ONE_S):
        raise BadRequest(
            f"the Redis of an earlier start still runs (its socket is {path}): end it first"
        )
    if path.parent.name.startswith(own_redis.PREFIX):
        shutil.rmtree(path.parent, ignore_errors=True)


def _watch(
    supervisor: Supervisor, url: str, stopped: threading.Event, on_ready: Callable[[str], None]
) -> None:
    ready, asked = False, 0.0
    while not stopped.wait(TEND_S):
        supervisor.tend()
        if ready or time.monotonic() - asked < ASK_S:
            continue
        if ready := _is_ready(url):
            on_ready(url)
            continue
        asked = time.monotonic()
        for name, deaths in supervisor.deaths().items():
            if deaths >= STILLBORN:
                raise Unavailable(f"{name} does not start: {supervisor.last_line(name)}")


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", timeout=2, trust_env=False).is_success
    except httpx2.HTTPError:
        return False


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """The first signal to end asks politely; a second one leaves at once, and the lifelines do the rest."""
    stopped = threading.Event()

    def end(signum: int, _frame: FrameType | None) -> None:
        if stopped.is_set():
            raise SystemExit(128 + signum)
        stopped.set()

    ours = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in ours}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
