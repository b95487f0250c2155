"""The waits after a death are read off the ledger's log."""

from __future__ import annotations

import math

from chaos.recovery import Deaths, after_redis, after_workers, percentile_99
from parcela.jobs.ledger import Transition
from parcela.jobs.ledger_row import State


def entry(at: float, job: str, became: State, why: str, worker: str = "w1") -> Transition:
    return Transition(at, job, "waiting", became, "preprocess", "t", 1, worker, why)


LOG = [
    entry(1, "a", "running", "claimed"),
    entry(1, "b", "running", "claimed", "w2"),
    entry(2, "c", "running", "claimed"),
    entry(3, "c", "waiting", "advanced"),
    entry(40, "a", "waiting", "lease expired"),
    entry(41, "a", "running", "claimed", "w2"),
    entry(60, "b", "done", "advanced", "w2"),
]


def test_given_a_worker_that_died_then_the_wait_of_the_job_that_it_held_counts_alone() -> None:
    assert after_workers(Deaths(workers=[(10, "w1")]), LOG) == [31]
    assert after_workers(Deaths(workers=[(10, "w2"), (70, "w2")]), LOG) == [50]
    both = Deaths(workers=[(10, "w1"), (11, "w2")], redis=[45])
    assert after_workers(both, LOG) == [31]
    assert after_workers(both, LOG, redis_too=True) == [49]


def test_given_redis_died_then_it_is_the_time_to_the_next_claim_unless_it_died_again_before() -> (
    None
):
    assert after_redis(Deaths(redis=[5, 30]), LOG) == [11]
    assert after_redis(Deaths(redis=[50]), LOG) == []


def test_given_waits_then_the_percentile_is_one_of_them() -> None:
    assert percentile_99([float(n) for n in range(1, 101)]) == 99
    assert percentile_99([3.0, 1.0]) == 3
    assert math.isnan(percentile_99([]))
