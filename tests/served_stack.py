"""`parcela serve` with every real part, as a test starts and ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from command import PARCELA
from patience import patient


class Stack:
    """One ``parcela serve`` on a free port, with a data folder of its own."""

    def __init__(self, data: Path, weights: Path | None = None) -> None:
        self.data = data
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = os.environ | {"PARCELA_LEASE_S": "6"}
        if weights is not None:
            self.env["PARCELA_WEIGHTS"] = str(weights)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it and wait until it says that it is ready; returns what it said."""
        self.process = subprocess.Popen(
            [*PARCELA, "serve", "--port", str(self.port), "--data", str(self.data)],
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
