"""A child's whole group ends with the process that started it, even where that one is killed outright.

A watcher process holds the reading end of a pipe whose writing end the starter alone has: it reads to the end, which
comes when the starter dies, however it does, and then kills the child's group and erases its folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

# What the child's own children still write may refill the folder for a moment: their lifelines end them, too.
WATCH = """
import os, signal, sys
sys.stdin.buffer.read()
try:
    os.killpg(int(sys.argv[1]), signal.SIGKILL)
except (ProcessLookupError, PermissionError):
    pass
for folder in sys.argv[2:]:
    import shutil, time
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)
        if not os.path.lexists(folder):
            break
"""


class Lifeline:
    """Watches one process group until it is closed.

    Args:
        group: the group's number, which is that of the process started with ``start_new_session``.
        folder: its private folder, which nobody else would erase.
    """

    def __init__(self, group: int, folder: Path | None = None) -> None:
        folders = [] if folder is None else [str(folder)]
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WATCH, str(group), *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # or it would be killed with a group that it is not watching
        )

    def close(self) -> None:
        """The group has ended: watch no longer (its number may soon be another's)."""
        self._watcher.kill()
        self._watcher.wait()
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """End a child that leads its own session, with everything in its group, and wait for it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
