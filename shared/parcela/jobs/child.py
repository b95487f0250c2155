"""The worker's side of the compute child: start it, give it an order, hear it, end it with all that it started."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from pydantic import TypeAdapter

from parcela.errors import StepFailed
from parcela.jobs.child_main import Failed, Order, Saying
from parcela.jobs.records import Problem
from parcela.processes.isolation import make_private_folder, resident_mb
from parcela.processes.lifeline import Lifeline, kill_group

SAYING: TypeAdapter[Saying] = TypeAdapter(Saying)
LEAVES_WITHIN_S = 2.0


class ComputeCrashed(StepFailed):
    """The process that computed a stage died of a signal, or left without an answer."""

    slug = "compute-crashed"


class ComputeChild:
    """One long-lived child in its own session, started when it is first needed and again after it was killed.

    Args:
        module: the stage's module, such as ``parcela_inference.stage``.
    """

    def __init__(self, module: str) -> None:
        self.module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._said: queue.Queue[bytes] = queue.Queue()

    @property
    def pid(self) -> int | None:
        """The child's process, None while there is none."""
        return None if self._process is None else self._process.pid

    def begin(self, order: Order) -> None:
        """Give it an order; it must have answered the one before."""
        if self._process is not None and self._process.poll() is not None:
            self.kill()  # it died while it had nothing to do: nobody's attempt
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # `hear` will say how it died
            self._process.stdin.write(order.to_json().encode() + b"\n")
            self._process.stdin.flush()

    def hear(self, timeout_s: float) -> Saying | None:
        """What it says next; None when it says nothing for so long; Failed when it has died."""
        try:
            line = self._said.get(timeout=timeout_s)
        except queue.Empty:
            return None
        return SAYING.validate_json(line) if line else self._obituary()

    def resident_mb(self) -> float:
        """Resident memory of the child and of everything below it, in MB."""
        return 0.0 if self._process is None else resident_mb(self._process.pid)

    def kill(self) -> None:
        """End it and all that it started; its folder goes."""
        if self._process is None:
            return
        kill_group(self._process)
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        self._lifeline.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._process = None

    def close(self) -> None:
        """Let it leave by itself, as it does when its standard input ends, and end what stays."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LEAVES_WITHIN_S)
        self.kill()

    def _start(self) -> None:
        self._folder = make_private_folder()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "parcela.jobs.child_main", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"TMPDIR": str(self._folder)},
            start_new_session=True,
        )
        self._lifeline = Lifeline(self._process.pid, self._folder)
        self._said = queue.Queue()
        self._reader = threading.Thread(
            target=_read, args=(self._process, self._said), daemon=True, name="compute child"
        )
        self._reader.start()

    def _obituary(self) -> Failed:
        assert self._process is not None
        code = self._process.wait()
        how = f"crashed ({signal.Signals(-code).name})" if code < 0 else f"left with code {code}"
        return Failed(
            problem=Problem.of(ComputeCrashed(f"the process that computed it {how}")), retry=True
        )


def _read(process: subprocess.Popen[bytes], said: queue.Queue[bytes]) -> None:
    """Pass on each line, and an empty one at the end."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith(b"\n"):  # or it died while it spoke
            said.put(line)
    said.put(b"")
