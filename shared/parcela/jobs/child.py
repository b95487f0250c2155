"""The worker's side of the compute child: start it, give it an order, hear it, end it with all that it started."""

from __future__ import annotations

import queue
import shutil
import subprocess
import sys
import threading
from contextlib import suppress

from pydantic import TypeAdapter

from parcela.errors import StepFailed
from parcela.jobs.child_main import Failed, Message, StageOrder
from parcela.jobs.records import Problem
from parcela.processes.child import Child, how_it_ended
from parcela.processes.isolation import make_private_folder

MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)
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
        self._child: Child | None = None
        self._lines: queue.Queue[bytes] = queue.Queue()

    @property
    def pid(self) -> int | None:
        """The child's process, None while there is none."""
        return None if self._child is None else self._child.pid

    def begin(self, order: StageOrder) -> None:
        """Give it an order; it must have answered the one before."""
        if self._child is not None and self._child.code is not None:
            self.kill()  # it died while it had nothing to do: nobody's attempt
        if self._child is None:
            self._child = self._start()
        stdin = self._child.process.stdin
        assert stdin is not None
        with suppress(BrokenPipeError):  # `receive` will say how it died
            stdin.write(order.to_json().encode() + b"\n")
            stdin.flush()

    def receive(self, timeout_s: float) -> Message | None:
        """What it says next; None when it says nothing for so long; Failed when it has died."""
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None
        return MESSAGE.validate_json(line) if line else self._obituary()

    def resident_mb(self) -> float:
        """Resident memory of the child and of everything below it, in MB."""
        return 0.0 if self._child is None else self._child.resident_mb()

    def kill(self) -> None:
        """End it and all that it started; its folder goes."""
        if self._child is None:
            return
        self._child.kill()
        self._reader.join()
        for stream in (self._child.process.stdin, self._child.process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._child = None

    def close(self) -> None:
        """Let it leave by itself, as it does when its standard input ends, and end what stays."""
        if self._child is not None and self._child.process.stdin is not None:
            with suppress(BrokenPipeError):
                self._child.process.stdin.close()
            self._child.wait(LEAVES_WITHIN_S)
        self.kill()

    def _start(self) -> Child:
        self._folder = make_private_folder()
        child = Child(
            [sys.executable, "-P", "-m", "parcela.jobs.child_main", self.module],
            environment={"TMPDIR": str(self._folder)},
            folder=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(
            target=_read, args=(child.process, self._lines), daemon=True, name="compute child"
        )
        self._reader.start()
        return child

    def _obituary(self) -> Failed:
        assert self._child is not None
        how = how_it_ended(self._child.process.wait())
        return Failed(
            problem=Problem.of(ComputeCrashed(f"the process that computed it {how}")), retry=True
        )


def _read(process: subprocess.Popen[bytes], lines: queue.Queue[bytes]) -> None:
    """Pass on each line, and an empty one at the end."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith(b"\n"):  # or it died while it spoke
            lines.put(line)
    lines.put(b"")
