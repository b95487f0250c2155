"""A service with every real part, as a test starts and ends it: `parcela serve`, or the containers that are up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import psutil

from command import PARCELA
from patience import patient
from processes import free_port


class Stack:
    """One ``parcela serve`` on a free port, with a data folder of its own."""

    def __init__(self, data: Path, weights: Path | None = None) -> None:
        self.data = data
        self.command = [str(word) for word in PARCELA]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = os.environ | {"PARCELA_LEASE_S": "6"}
        if weights is not None:
            self.env["PARCELA_WEIGHTS"] = str(weights)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it and wait until it says that it is ready; returns what it said."""
        self.process = subprocess.Popen(
            [*self.command, "serve", "--port", str(self.port), "--data", str(self.data)],
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
            env=self.env,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        said = [self.process.stdout.readline() for _ in range(3)]
        assert self.url in said[0], said
        return "".join(said)

    def everything(self) -> list[psutil.Process]:
        """All that runs because of it, in whatever session."""
        assert self.process is not None
        me = psutil.Process(self.process.pid)
        return [me, *me.children(recursive=True)]

    def parts(self, name: str) -> list[psutil.Process]:
        """The processes of a part, by a word of its command line: several where several preprocess at once."""
        assert self.process is not None
        found = [
            process
            for process in psutil.Process(self.process.pid).children()
            if any(Path(word).name == name for word in " ".join(process.cmdline()).split())
        ]
        assert found
        return found

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(patient(20))
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


class Containers:
    """The Compose stack of this checkout, which is up and answers at ``url``."""

    PARTS = ("gateway", "preprocess", "inference")

    def __init__(self, url: str, checkout: Path) -> None:
        self.url = url.rstrip("/")
        self.checkout = checkout

    def start(self) -> None:
        """Start what was killed, and wait until all of it is ready."""
        self._compose("up", "-d", "--no-build")
        end = time.monotonic() + patient(60)
        while not self._is_ready():
            assert time.monotonic() < end, "the containers do not become ready"
            time.sleep(0.5)

    def end(self, number: signal.Signals) -> None:
        """Send a signal to each container that computes or answers."""
        self._compose("kill", "-s", number.name, *self.PARTS)

    def _is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz").is_success
        except httpx2.TransportError:
            return False

    def _compose(self, *words: str) -> None:
        subprocess.run(["docker", "compose", *words], cwd=self.checkout, check=True)
