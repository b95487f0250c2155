"""The fault harness, in small: every kind of fault once. ``make chaos`` does more of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.faults import KINDS
from chaos.installation import Scale
from chaos.run import Plan, run
from redis_server import RedisServer


@pytest.mark.slow
def test_given_every_kind_of_fault_when_jobs_run_then_each_ends_once_with_its_result(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    report = run(
        Plan(jobs=10, faults=len(KINDS), scale=Scale(workers=3), seed=1), tmp_path, own_redis, print
    )
    assert report.violations == []
    assert set(report.faults) == set(KINDS)
    assert report.redeliveries > 0
    assert report.cuts > 0
