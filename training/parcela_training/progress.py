"""Lines of progress, with the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

OnLine = Callable[[str], None]
OnItem = Callable[[int, int, str], None]  # done, of how many, the last one in a few words


def counting(on_line: OnLine, what: str) -> OnItem:
    """A function that says ``what 3/25 name, 2 min left`` each time that something is done.

    What is done at once, since an earlier run did it, does not count towards the time left.
    """
    started = last = time.monotonic()
    worked = 0

    def on_item(done: int, of: int, last_one: str) -> None:
        nonlocal last, worked
        now = time.monotonic()
        worked += now - last > 0.05
        last = now
        left = (now - started) / max(worked, 1) * (of - done)
        on_line(f"{what} {done}/{of} {last_one}" + (f", {minutes(left)} left" if of > done else ""))

    return on_item


def minutes(seconds: float) -> str:
    """``40 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
