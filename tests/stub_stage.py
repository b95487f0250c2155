"""A stage that does what the scan says, which here is JSON: ``{"does": "work", "seconds": 0.1}``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parcela.errors import BadScan, StepFailed
from parcela.jobs.keys import scan_key
from parcela.jobs.stage_task import StageTask
from parcela.processes.isolation import run_isolated
from parcela.quality.grade import Judgement

LOADED = time.monotonic()


def run(task: StageTask) -> dict[str, float]:
    """Do as the scan says, then leave ``result.txt``."""
    with task.store.open(scan_key(task.request.id, task.request.upload)) as file:
        wish: dict[str, Any] = json.load(file)
    if wish.get("at", task.stage) == task.stage:
        DEEDS[wish.pop("does")](task, wish)
    out = task.folder / "out"
    out.mkdir()
    (out / "result.txt").write_text(f"{task.request.id} {task.stage}")
    (out / "warm.txt").write_text(f"{os.getpid()} {LOADED}")
    task.publish(out, last="result.txt")
    return {"stub": 0.5}


def work(task: StageTask, wish: dict[str, Any]) -> None:
    """Two steps that take time; the second ends when a file is there, where the wish names one."""
    task.plan({"first": 3, "second": 1})
    for step in ("first", "second"):
        task.on_step(step)
        time.sleep(wish.get("seconds", 0) / 2)
    while "until" in wish and not Path(wish["until"]).exists():
        time.sleep(0.02)


def judge(task: StageTask, wish: dict[str, Any]) -> None:
    """Leave a verdict."""
    task.quality = Judgement(verdict="look", reasons=tuple(wish["reasons"]))


def take(task: StageTask, wish: dict[str, Any]) -> None:
    """Read what the first stage left."""
    task.inputs("preprocess")


def noise(task: StageTask, wish: dict[str, Any]) -> None:
    """Print, from Python and past it."""
    print("library says hello")
    os.write(1, b"so does its C part\n")


def refuse(task: StageTask, wish: dict[str, Any]) -> None:
    raise BadScan(f"{task.folder}/scan.nii.gz: truncated: copy it again")


def fail(task: StageTask, wish: dict[str, Any]) -> None:
    raise StepFailed("the mask is implausible")


def stumble(task: StageTask, wish: dict[str, Any]) -> None:
    raise KeyError("a fault")


def spill(task: StageTask, wish: dict[str, Any]) -> None:
    """Write so many bytes to the private folder."""
    (task.folder / "scratch").write_bytes(bytes(wish["bytes"]))


def fill(task: StageTask, wish: dict[str, Any]) -> None:
    raise MemoryError


def crash(task: StageTask, wish: dict[str, Any]) -> None:
    """Die, once or always."""
    once = Path(wish["once"]) if "once" in wish else None
    if once is None or not once.exists():
        if once is not None:
            once.touch()
        os.kill(os.getpid(), 11)


def leave(task: StageTask, wish: dict[str, Any]) -> None:
    sys.exit(7)


def eat(task: StageTask, wish: dict[str, Any]) -> None:
    held = []
    while True:
        held.append(bytearray(b"x" * 50_000_000))
        time.sleep(0.05)


def hang(task: StageTask, wish: dict[str, Any]) -> None:
    """Have an isolated program hang, which leaves the numbers of its processes in a file; ours goes there first."""
    Path(wish["own"]).write_text(f"{os.getpid()} {task.folder}")
    task.on_step("hang")
    run_isolated("hang", {}, {"pids": wish["pids"]}, module="unruly_tasks")


DEEDS: dict[str, Callable[[StageTask, dict[str, Any]], None]] = {
    deed.__name__: deed
    for deed in (
        work,
        judge,
        take,
        noise,
        refuse,
        fail,
        stumble,
        spill,
        fill,
        crash,
        leave,
        eat,
        hang,
    )
}
