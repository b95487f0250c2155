"""How long tests wait before they call something hung: one factor, so that a slow processor is no failure."""

from __future__ import annotations

import os

PATIENCE = float(os.environ.get("PARCELA_TEST_PATIENCE", "10"))
QUICK_TEST_S = 60
SLOW_TEST_S = 600


def patient(seconds: float) -> float:
    """The limit, in seconds, for what takes at most so many on an idle machine."""
    return seconds * PATIENCE
