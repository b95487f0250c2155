"""Time for a client's patience."""

from __future__ import annotations


class Clock:
    """Time for the client's patience: it moves by what is slept alone."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
