"""The documentation's site, built as `make docs` builds it: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from parcela_docs.pages import CHECKOUT
from patience import patient


def build_site(folder: Path) -> Path:
    """Build it into a folder; a warning fails the test."""
    done = subprocess.run(
        [sys.executable, "-m", "parcela_docs", "--out", str(folder)],
        cwd=CHECKOUT / "docs",
        capture_output=True,
        text=True,
        timeout=patient(120),
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder
