"""How long jobs waited after a fault: from a worker's death to the next claim of its job, from Redis's to any claim."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from parcela.jobs.ledger import Transition
from parcela.jobs.records import TERMINAL


@dataclass
class Deaths:
    """When (Unix seconds) what died: workers by the name that they claim under, and Redis with its memory."""

    workers: list[tuple[float, str]] = field(default_factory=list)
    redis: list[float] = field(default_factory=list)


def after_workers(
    deaths: Deaths, log: Iterable[Transition], *, redis_too: bool = False
) -> list[float]:
    """Seconds from each worker's death to the moment when the job it held was claimed anew, or had ended.

    Args:
        deaths: who died when.
        log: the ledger's.
        redis_too: of the waits in which Redis died as well; else of the others.
    """
    entries = sorted((entry for entry in log if entry.id), key=lambda entry: entry.at)
    lives: dict[str, list[Transition]] = {}
    for entry in entries:
        lives.setdefault(entry.id, []).append(entry)
    waits = []
    for at, name in deaths.workers:
        for life in lives.values():
            before = [entry for entry in life if entry.at <= at]
            if before and before[-1].became == "running" and before[-1].worker == name:
                again = [
                    e.at for e in life if e.at > at and (e.why == "claimed" or e.became in TERMINAL)
                ]
                if again and redis_too == any(at <= death <= again[0] for death in deaths.redis):
                    waits.append(again[0] - at)
    return waits


def after_redis(deaths: Deaths, log: Iterable[Transition]) -> list[float]:
    """Seconds from each death of Redis to the first claim of any job after it."""
    claims = sorted(entry.at for entry in log if entry.why == "claimed")
    waits = []
    for number, at in enumerate(sorted(deaths.redis)):
        later = [claim for claim in claims if claim > at]
        until = sorted(deaths.redis)[number + 1 : number + 2] or [math.inf]
        waits += [later[0] - at] if later and later[0] < until[0] else []
    return waits


def percentile_99(seconds: Sequence[float]) -> float:
    """The 99th percentile, by the nearest rank; NaN of nothing."""
    ranked = sorted(seconds)
    return ranked[math.ceil(0.99 * len(ranked)) - 1] if ranked else math.nan
