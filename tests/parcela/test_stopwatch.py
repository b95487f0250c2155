"""The stopwatch: steps are announced, timed in order, and recorded when they end well."""

from __future__ import annotations

import time

import pytest

from parcela.stopwatch import Stopwatch


def test_given_steps_then_each_is_announced_and_timed() -> None:
    told: list[str] = []
    watch = Stopwatch(told.append)
    with watch.step("slow"):
        assert told == ["slow"]
        time.sleep(0.05)
    with watch.step("quick"):
        pass
    assert told == list(watch.seconds) == ["slow", "quick"]
    assert watch.seconds["slow"] >= 0.05 > watch.seconds["quick"]


def test_given_a_step_that_fails_then_its_error_passes_and_it_is_not_recorded() -> None:
    watch = Stopwatch()
    with pytest.raises(ValueError, match="no brain"), watch.step("strip"):
        raise ValueError("no brain")
    assert watch.seconds == {}
