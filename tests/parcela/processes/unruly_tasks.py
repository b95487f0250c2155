"""Tasks that behave as native programs do on a bad day, run by the child as the real ones are."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.processes.isolation import Arrays, answer

# A shell, as ROBEX runs under one, that leaves the numbers of its two processes in a file and waits.
SHELL = 'sleep 300 & echo $$ $! > "$0"; wait'


def double(*, image: NDArray[Any], plus: float = 0.0) -> Arrays:
    return {"image": image * 2 + plus}


def hang(*, pids: str) -> Arrays:
    subprocess.run(["/bin/sh", "-c", SHELL, pids], check=True)
    return {}


def leave_behind(*, pids: str) -> Arrays:
    """Finish, but leave a process running."""
    subprocess.Popen(["/bin/sh", "-c", SHELL, pids])
    while not Path(pids).exists() or not Path(pids).read_text().strip():
        time.sleep(0.01)
    return {"done": np.ones(1)}


def eat(*, megabytes: int) -> Arrays:
    held = []
    for _ in range(megabytes // 50):
        held.append(np.ones(50 * 1000**2, np.uint8))
        time.sleep(0.1)
    return {"eaten": np.asarray(len(held))}


def eat_in_a_child(*, megabytes: int) -> Arrays:
    program = f"held = b'x' * {megabytes * 1000**2}; import time; time.sleep(300)"
    subprocess.run([sys.executable, "-S", "-c", program], check=True)
    return {}


def crash() -> Arrays:
    print("about to read address 0", flush=True)
    ctypes.string_at(0)
    return {}


def starve() -> Arrays:
    return {"nothing": np.empty(10**15, np.uint8)}


def starve_in_cpp() -> Arrays:
    print("terminate called after throwing an instance of 'std::bad_alloc'", flush=True)
    os.abort()


def refuse() -> Arrays:
    raise ValueError("the image has no brain in it")


def give_up() -> Arrays:
    print("reading\nno licence found", file=sys.stderr, flush=True)
    os._exit(3)


def surroundings() -> Arrays:
    """The environment that a native program sees, as characters, and where it may write."""
    text = "\n".join(f"{key}={value}" for key, value in os.environ.items())
    return {"environment": np.asarray(text)}


TASKS: dict[str, Callable[..., Arrays]] = {
    task.__name__: task
    for task in (
        double,
        hang,
        leave_behind,
        eat,
        eat_in_a_child,
        crash,
        starve,
        starve_in_cpp,
        refuse,
        give_up,
        surroundings,
    )
}

if __name__ == "__main__":
    answer(TASKS)
