"""The lifeline: a group and its folder end with their starter, and only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from parcela.processes.child import Child, Lifeline, kill_group
from processes import gone, pids_in, wait_until

# A child that ignores what can be ignored and fills its folder, tied to a starter that waits.
STARTER = """
import subprocess, sys, time
from pathlib import Path
from parcela.processes.child import Lifeline
folder = Path(sys.argv[1])
fill = "trap '' HUP TERM INT; while :; do echo x > $0/$(date +%N); sleep 0.01; done"
child = subprocess.Popen(["/bin/sh", "-c", fill, str(folder)], start_new_session=True)
lifeline = Lifeline(child.pid, folder)
Path(sys.argv[2]).write_text(str(child.pid))
time.sleep(300)
"""


def test_given_a_starter_that_is_killed_then_the_group_ends_and_the_folder_goes(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    starter = subprocess.Popen([sys.executable, "-c", STARTER, folder, tmp_path / "pid"])
    (child,) = pids_in(tmp_path / "pid", 1)
    wait_until(lambda: any(folder.iterdir()))
    starter.kill()
    starter.wait()
    wait_until(lambda: gone(child), 5)
    wait_until(lambda: not folder.exists(), 5)


def test_given_a_lifeline_that_is_closed_then_the_group_is_left_alone() -> None:
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    Lifeline(child.pid).close()
    assert not gone(child.pid)
    kill_group(child)
    assert gone(child.pid)
    kill_group(child)  # it has ended: that is well, too


def test_given_a_child_whose_memory_is_asked_for_often_then_it_is_looked_at_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []

    def look(child: Child) -> float:
        looks.append(child.pid)
        return 40.0 * len(looks)

    monkeypatch.setattr(Child, "_look", look)
    monkeypatch.setattr("parcela.processes.child.LOOK_S", 3600.0)
    child = Child([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert [child.resident_mb() for _ in range(100)] == [40.0] * 100
        monkeypatch.setattr("parcela.processes.child.LOOK_S", 0.0)
        assert child.resident_mb() == 80.0
    finally:
        child.kill()
        child.process.communicate()
