"""Waiting for what other processes do."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from patience import patient


def wait_until(happened: Callable[[], object], within_s: float = 10) -> None:
    """Return once it has happened; fail when it has not in so many seconds of an idle machine."""
    deadline = time.monotonic() + patient(within_s)
    while not happened():
        assert time.monotonic() < deadline, f"not within {patient(within_s)} s"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    """Whether a process has ended (one that nobody has waited for yet has)."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def pids_in(file: Path, count: int) -> list[int]:
    """The process numbers in a file, once there are so many."""
    wait_until(lambda: file.exists() and len(file.read_text().split()) >= count)
    return [int(word) for word in file.read_text().split()[:count]]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections, and that nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def free_port() -> int:
    """A port of this machine on which nobody listens; of those that the system hands to nobody who wants just any."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
