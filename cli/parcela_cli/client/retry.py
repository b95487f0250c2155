"""Trying again while a server is away or too busy, and when to stop."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2

from parcela.errors import Unavailable

FIRST_CONTACT_S = 4.0
SHORTEST_S, LONGEST_S = 0.25, 10.0
T = TypeVar("T")


class Patience:
    """How long one client goes on trying.

    A server that has answered before is given ``limit_s``, from the first failure in a row; one that never has may not
    be there at all, and gets a few seconds.
    """

    def __init__(self, server: str, limit_s: float) -> None:
        self.server = server
        self.limit_s = limit_s
        self._answered = False

    def retrying(self, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until it works.

        A failed connection and a busy answer (``httpx2.HTTPStatusError``) are tried again, after the pause that the
        server asked for (``Retry-After``), or else one that doubles each time.

        Raises:
            Unavailable: patience is at its end.
        """
        start_s, pause = time.monotonic(), SHORTEST_S
        while True:
            try:
                done = attempt()
                self._answered = True
                return done
            except httpx2.HTTPStatusError as error:
                self._answered = True
                reason, wanted = str(error), asked_pause_s(error.response)
            except httpx2.TransportError as error:
                reason, wanted = self._unreachable(error), None
            limit = self.limit_s if self._answered else min(self.limit_s, FIRST_CONTACT_S)
            rest = pause * random.uniform(0.75, 1.25) if wanted is None else wanted
            if time.monotonic() - start_s + rest > limit:
                raise Unavailable(reason)
            time.sleep(rest)
            pause = min(2 * pause, LONGEST_S)

    def _unreachable(self, error: httpx2.TransportError) -> str:
        return (
            f"no Parcela server answers at {self.server} ({str(error) or type(error).__name__}): "
            "check the address, or start one with `parcela serve`"
        )


def asked_pause_s(response: httpx2.Response) -> float | None:
    """What ``Retry-After`` asks for, in seconds or as a date; None where it asks nothing intelligible."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
