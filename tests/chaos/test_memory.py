"""What is made of the looks at memory."""

from __future__ import annotations

import pytest

from chaos.memory import Course, table

WARM, GROWING = [10.0] * 21, [50.0 + n / 10 for n in range(21)]


def test_given_looks_then_the_warm_up_is_left_out_and_growth_is_told_per_hundred_jobs() -> None:
    course = Course(ended=[*range(21)], parts={"gateway": WARM, "Redis": GROWING})
    rows = {part: rest for part, *rest in course.rows()}
    assert rows["gateway"] == pytest.approx([10, 10, 10, 0], abs=1e-9)
    assert rows["Redis"] == pytest.approx([50.65, 51.25, 51.8, 10], abs=0.2)
    assert table(course).splitlines()[-1] == "| Redis | 51 MB | 51 MB | 52 MB | +10.0 MB |"
