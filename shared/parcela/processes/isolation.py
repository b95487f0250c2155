"""Run a native program's task in a child process, with a limit of time and of memory.

ROBEX and ANTs may crash, hang or eat the machine on an unlucky scan; then that scan fails, with a reason, and
nothing else does. Arrays go over as ``.npy`` files in a private folder that is erased afterwards. A child never
outlives its starter, however that one ends (`parcela.processes.child`).

A module of tasks holds functions from arrays to arrays and ends with ``if __name__ == "__main__": answer(TASKS)``.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from parcela.errors import BadScan, LimitExceeded, StepFailed, Unavailable
from parcela.processes.child import Child, Limits, how_it_ended
from parcela.processes.lean import be_lean
from parcela.processes.surroundings import NEEDED, speaks_of_memory
from parcela.settings import settings

Arrays = dict[str, NDArray[Any]]

POLL_S = 0.1
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class NoRoom(StepFailed):
    """The folder for temporary files is full, or takes none: no fault of the scan's."""

    slug = "no-room"


def run_isolated(
    task: str,
    arrays: Mapping[str, NDArray[Any]],
    options: Mapping[str, object] | None = None,
    *,
    module: str,
    source: IO[bytes] | None = None,
    result: IO[bytes] | None = None,
    limits: Limits | None = None,
) -> Arrays:
    """Call a task in a child process of its own session.

    Args:
        task: the name of the task, a key of the module's ``TASKS``.
        arrays: its arrays, by parameter name.
        options: its other parameters (JSON values).
        module: the module of tasks, which the child runs, such as ``parcela_preprocess.native_tasks``.
        source: an open file that the task reads as its standard input, from where it stands.
        result: an open file that the task writes to as its standard output.
        limits: of time and memory; those of a step (settings) unless given.

    Returns:
        The arrays it returned, by name.

    Raises:
        BadScan: the task raised one; the message is its own.
        StepFailed: it crashed, refused the scan, or found no room to work in; the message says how.
        LimitExceeded: it was stopped at the limit of time or memory (settings).
    """
    with private_folder() as folder:
        _write_order(folder, task, arrays, options or {})
        with (folder / "log").open("wb") as log:
            child = Child(
                [sys.executable, "-P", "-m", module, str(folder)],
                environment=_environment(folder),
                folder=folder,
                stdin=subprocess.DEVNULL if source is None else source.fileno(),
                stdout=log if result is None else result,
                stderr=log,
            )
            try:
                code = _wait(child, task, limits or _step_limits())
            finally:
                child.kill()  # ROBEX runs under a shell under the child
        if code != 0:
            if (refusal := folder / "refusal.txt").exists():
                raise BadScan(refusal.read_text())
            reason = _reason(code, folder)
            if speaks_of_memory(reason + (folder / "log").read_text(errors="replace")):
                raise LimitExceeded(
                    f"{task} found no memory, and {NEEDED}: free some, or raise the limit"
                )
            raise StepFailed(f"{task} {reason}")
        return {
            path.stem.removeprefix("out-"): np.load(path)
            for path in sorted(folder.glob("out-*.npy"))
        }


def answer(tasks: Mapping[str, Callable[..., Arrays]]) -> None:
    """The child's side: do the task described in the folder that the command line names.

    Leaves ``out-*.npy`` there; or ``problem.txt`` (``refusal.txt``: the scan is at fault) and a non-zero exit code.
    """
    be_lean()
    folder = Path(sys.argv[1])
    order = json.loads((folder / "task.json").read_text())
    parent = os.getppid()
    if order.get("starter", parent) != parent:  # it died before it could tie us to itself
        sys.exit("nobody waits for this any more")
    arrays = {path.stem.removeprefix("in-"): np.load(path) for path in folder.glob("in-*.npy")}
    try:
        results = tasks[order["task"]](**arrays, **order["options"])
    except BadScan as error:
        (folder / "refusal.txt").write_text(str(error))
        raise
    except Exception as error:
        (folder / "problem.txt").write_text(f"{type(error).__name__}: {error}")
        raise
    for name, array in results.items():
        np.save(folder / f"out-{name}.npy", array)


@contextmanager
def private_folder() -> Iterator[Path]:
    """`make_private_folder` for a block, erased at its end."""
    folder = make_private_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_private_folder() -> Path:
    """A temporary folder only we can read, whose path has no space (``runROBEX.sh`` does not quote paths).

    Raises:
        Unavailable: there is no place for one.
    """
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if not any(c.isspace() for c in parent) and os.access(parent, os.W_OK):
            return Path(tempfile.mkdtemp(prefix="parcela-", dir=parent))
    raise Unavailable("no writable temporary folder without a space in its path: set TMPDIR to one")


def _write_order(
    folder: Path, task: str, arrays: Mapping[str, NDArray[Any]], options: Mapping[str, object]
) -> None:
    try:
        for name, array in arrays.items():
            np.save(folder / f"in-{name}.npy", array)
        order = {"task": task, "options": dict(options), "starter": os.getpid()}
        (folder / "task.json").write_text(json.dumps(order))
    except OSError as error:
        kind = NoRoom if error.errno in FULL else StepFailed
        raise kind(
            f"{task} could not begin: {folder.parent} takes no temporary files ({error.strerror or error}): "
            "free some space there, or set TMPDIR to another folder"
        ) from error


def _environment(folder: Path) -> dict[str, str]:
    threads = settings()
    return {
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(threads.itk_threads),
        "OMP_NUM_THREADS": str(threads.torch_threads),
        "ANTS_RANDOM_SEED": "1",
        "TMPDIR": str(folder),
    }


def _step_limits() -> Limits:
    values = settings()
    return Limits("PARCELA_STEP", values.step_timeout_s, values.step_memory_mb)


def _wait(child: Child, task: str, limits: Limits) -> int:
    """The child's exit code; raises LimitExceeded when it has gone over a limit."""
    started = time.monotonic()
    while (code := child.code) is None:
        if passed := limits.passed(task, time.monotonic() - started, child.resident_mb()):
            raise passed
        time.sleep(POLL_S)
    return code


def _reason(code: int, folder: Path) -> str:
    problem = folder / "problem.txt"
    if problem.exists():
        return f"failed: {problem.read_text().strip()}"
    if code < 0:
        return how_it_ended(code)
    lines = (folder / "log").read_text(errors="replace").strip().splitlines()
    return f"failed: {lines[-1] if lines else f'exit code {code}'}"
