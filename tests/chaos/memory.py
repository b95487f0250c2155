"""Memory of every part of the service over hundreds of jobs whose preprocessing is real."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np
import psutil

from chaos.installation import TESTS, Service
from gateway_server import gateway_process
from parcela.jobs.records import TERMINAL
from redis_server import RedisServer

LOOK_S = 2.0
AT_A_TIME = 3  # jobs that are under way
OPTIONS = {"fast": "true"}
WARM_UP = 0.2  # of the jobs: until each part has loaded all that it uses


@dataclass
class Course:
    """The jobs that had ended at each look, and by part the most MB that were resident since the look before."""

    ended: list[int] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def rows(self) -> Iterator[tuple[str, float, float, float, float]]:
        """Each part: its median MB in the first, middle and last third after the warm-up, and MB more per 100 jobs."""
        ended = np.array(self.ended)
        warm = ended >= WARM_UP * ended[-1]
        for part, looks in self.parts.items():
            jobs, sizes = ended[warm], np.array(looks)[warm]
            thirds = [float(np.median(third)) for third in np.array_split(sizes, 3)]
            slope = float(np.polyfit(jobs, sizes, 1)[0]) * 100 if np.ptp(jobs) else float("nan")
            yield part, thirds[0], thirds[1], thirds[2], slope


@dataclass(frozen=True)
class Plan:
    """How much of what.

    Attributes:
        scan: a small head.
        jobs: how many are sent, a few at a time.
        minutes: after so long no further one is sent.
        every: one of so many goes through the network, see `chaos.rare_inference`.
    """

    scan: Path
    jobs: int
    minutes: float
    every: int


def run(
    plan: Plan, folder: Path, redis: RedisServer, on_look: Callable[[Course], object]
) -> Course:
    """Send the scan so often, and look at each part's memory.

    Args:
        plan: how much of what.
        folder: an empty folder for the store and the logs.
        redis: a server of its own.
        on_look: told after each look.
    """
    course, begun = Course(), time.monotonic()
    with ExitStack() as stack:
        gateway = stack.enter_context(gateway_process(redis.url, folder / "store"))
        place = {"PARCELA_REDIS": redis.url, "PARCELA_STORE": str(folder / "store")}
        parts = {"gateway": gateway.pid, "Redis": redis.pid}
        for role in ("preprocess", "rare-inference"):
            worker = _worker(role, place | {"CHAOS_EVERY": str(plan.every)}, folder)
            parts[f"{role} worker"] = stack.enter_context(worker)
        alive, sent = set[str](), 0
        while alive or (sent < plan.jobs and course.seconds < 60 * plan.minutes):
            while (
                len(alive) < AT_A_TIME and sent < plan.jobs and course.seconds < 60 * plan.minutes
            ):
                alive.add(_sent(gateway.http, plan.scan))
                sent += 1
            time.sleep(LOOK_S)
            alive -= _ended(gateway.http, alive, course)
            course.seconds = time.monotonic() - begun
            _look(parts, course, sent - len(alive))
            on_look(course)
    return course


@contextmanager
def _worker(role: str, environment: dict[str, str], folder: Path) -> Iterator[int]:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    worker = Service(f"{role}-worker", environment | {"PYTHONPATH": path}, folder / f"{role}.log")
    worker.keep_alive()
    try:
        yield worker.pid
    finally:
        worker.send(signal.SIGTERM)
        worker.end()


def _sent(http: httpx2.Client, scan: Path) -> str:
    answer = http.post("/predict/", files={"file": scan.read_bytes()}, params=OPTIONS)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _ended(http: httpx2.Client, alive: set[str], course: Course) -> set[str]:
    """Which jobs have ended; how is counted."""
    ended = set()
    for job_id in alive:
        status = str(http.get(f"/jobs/{job_id}").json()["status"])
        if status in TERMINAL:
            ended.add(job_id)
            course.states[status] = course.states.get(status, 0) + 1
    return ended


def _look(parts: dict[str, int], course: Course, ended: int) -> None:
    """Note what is resident of each process, and of its compute child under a name of its own."""
    course.ended.append(ended)
    for name, pid in parts.items():
        process = psutil.Process(pid)
        found = {name: [process]}
        if "worker" in name:
            found[f"{name}'s child"] = process.children(recursive=True)
        for part, processes in found.items():
            size = sum(p.memory_info().rss for p in processes if p.is_running()) / 1e6
            course.parts.setdefault(part, []).append(round(size, 1))


def table(course: Course) -> str:
    """The parts as a table in Markdown."""
    lines = ["| part | start | middle | end | per 100 jobs |", "|---|---|---|---|---|"]
    lines += [_line(part, sizes, slope) for part, *sizes, slope in course.rows()]
    return "\n".join(lines)


def _line(part: str, sizes: Sequence[float], slope: float) -> str:
    cells = " | ".join(f"{size:.0f} MB" for size in sizes)
    sign = "−" if slope < 0 else "+"
    return f"| {part} | {cells} | {sign}{abs(slope):.1f} MB |"
