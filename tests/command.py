"""The ``parcela`` command as a user runs it, in a process of its own; or in this one, where that is no matter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from parcela.settings import settings
from parcela_cli.app import main
from patience import patient

PARCELA = (sys.executable, "-m", "parcela_cli.app")

# A small process between, because Linux counts the memory of the one that forks (pytest, with PyTorch in it) into the
# peak of its child.
WATCH = """
import os, resource, sys
code = os.spawnv(os.P_WAIT, sys.argv[2], sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
peak = used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024
open(sys.argv[1], "w").write(f"{peak} {used.ru_utime + used.ru_stime}")
sys.exit(code if code >= 0 else 128 - code)
"""


@dataclass(frozen=True)
class Finished:
    """How a command ended.

    Attributes:
        code: its exit code (128 + the signal's number when a signal ended it).
        out: its standard output.
        err: its standard error.
        peak_bytes: the most memory that was resident.
        cpu_s: seconds of a processor, those of its children too.
    """

    code: int
    out: str
    err: str
    peak_bytes: int
    cpu_s: float = 0.0


def parcela(
    *arguments: str | Path,
    timeout_s: float = 60,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Run the command to its end; past its time it is killed, with what it started, and the test fails."""
    with tempfile.TemporaryDirectory() as folder:
        peak = Path(folder) / "peak"
        watched = [sys.executable, "-S", "-I", "-c", WATCH, str(peak), *PARCELA]
        process = subprocess.Popen(
            [*watched, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200", **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=patient(timeout_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        peak_bytes, cpu_s = peak.read_text().split()
        return Finished(process.returncode, out, err, int(peak_bytes), float(cpu_s))


def parcela_here(*arguments: str | Path, env: dict[str, str] | None = None) -> Finished:
    """Run the command in this process, which has its libraries loaded; its memory is not measured."""
    usual = signal.getsignal(signal.SIGTERM)
    out, err, code = StringIO(), StringIO(), 0
    with (
        patch.dict(os.environ, {"COLUMNS": "200", **(env or {})}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        settings.cache_clear()
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            signal.signal(signal.SIGTERM, usual)
    settings.cache_clear()
    return Finished(code, out.getvalue(), err.getvalue(), 0)
