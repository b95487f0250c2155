"""Work for processes of their own, which find it by the name of this module."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from parcela.errors import BadScan


def double(number: int) -> int:
    """Twice the number; 13 kills the process, 7 is a bad scan, 5 a fault."""
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 7:
        raise BadScan("7: no such scan: check the path")
    if number == 5:
        raise ValueError("five")
    return 2 * number


def begin(folder: Path) -> None:
    """Leave a file for this process."""
    (folder / f"begun-{os.getpid()}").touch(exist_ok=False)


def marks_before(folder: Path) -> bool:
    """Whether this process has left its file before its task."""
    return (folder / f"begun-{os.getpid()}").exists()


def mark_while_at_work(task: tuple[Path, float]) -> None:
    """Leave a file in a folder for so many seconds of work, and take it away again however the work ends."""
    folder, seconds = task
    mark = folder / f"{os.getpid()}"
    mark.touch()
    try:
        time.sleep(seconds)
    finally:
        mark.unlink()
