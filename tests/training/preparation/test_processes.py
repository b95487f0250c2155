from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

from parcela.errors import BadScan, ParcelaError, StepFailed
from parcela_training.preparation.processes import spread
from processes import wait_until
from work_in_processes import begin, double, mark_while_at_work, marks_before

TESTS = Path(__file__).parents[2]


def test_given_more_tasks_than_processes_when_spread_then_each_is_done_once() -> None:
    assert sorted(spread(double, range(20, 30), 2)) == [(n, 2 * n) for n in range(20, 30)]


def test_given_a_task_that_kills_its_process_when_spread_then_only_that_task_is_lost() -> None:
    found = dict(spread(double, [1, 13, 2, 13, 3, 4], 2))

    assert {n: found[n] for n in (1, 2, 3, 4)} == {1: 2, 2: 4, 3: 6, 4: 8}
    assert isinstance(found[13], StepFailed)
    assert "SIGKILL" in str(found[13])


def test_given_tasks_that_fail_when_spread_then_their_errors_come_back() -> None:
    found: dict[int, int | ParcelaError] = dict(spread(double, [7, 5, 1], 1))

    assert isinstance(found[7], BadScan)
    assert str(found[7]) == "7: no such scan: check the path"
    assert "ValueError: five" in str(found[5])
    assert found[1] == 2


def test_given_what_to_begin_with_when_spread_then_each_process_does_it_once_before_its_tasks(
    tmp_path: Path,
) -> None:
    outcomes = list(spread(marks_before, [tmp_path] * 3, 2, partial(begin, tmp_path)))

    assert outcomes == [(tmp_path, True)] * 3
    assert len(list(tmp_path.iterdir())) == 2


def test_given_no_tasks_when_spread_then_nothing_is_started() -> None:
    assert list(spread(double, [], 2)) == []


def test_given_work_in_hand_when_the_loop_is_left_then_the_processes_end_and_clean_up(
    tmp_path: Path,
) -> None:
    with closing(spread(mark_while_at_work, [(tmp_path, 0.1), (tmp_path, 90.0)], 2)) as outcomes:
        assert next(outcomes) == ((tmp_path, 0.1), None)
        wait_until(lambda: len(list(tmp_path.iterdir())) == 1)

    assert list(tmp_path.iterdir()) == []


PARENT = """
from pathlib import Path
from parcela_training.preparation.processes import spread
from work_in_processes import mark_while_at_work
if __name__ == "__main__":
    list(spread(mark_while_at_work, [(Path("marks"), 90.0)] * 2, 2))
"""


def test_given_a_parent_killed_outright_when_at_work_then_its_processes_end_and_clean_up(
    tmp_path: Path,
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, "parent.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(TESTS)}
    )
    wait_until(lambda: len(list(marks.iterdir())) == 2)

    parent.kill()
    parent.wait()

    wait_until(lambda: not list(marks.iterdir()))
