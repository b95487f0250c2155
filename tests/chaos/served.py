"""``parcela serve`` with every real part, disturbed: real scans, real networks, its own Redis, kills of whatever runs.

``python -m chaos served`` runs it; minutes, since each job is a real parcellation (of Colin27's brain at 64³).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import nibabel as nib
import numpy as np
import psutil
from nibabel.processing import conform
from redis import Redis

from chaos.faults import ALL_GONE_WITHIN_S, computes, gone
from chaos.served_server import CUT
from parcela.atlas.aal import COLIN27_BRAIN
from parcela.files import sha256_of
from parcela.jobs.ledger_row import transition_of
from parcela_cli.client.client import Client
from parcela_cli.client.remote_job import RemoteJob
from parcela_cli.serve.data_folder import DataFolder
from parcela_cli.serve.redis import find_program
from processes import free_port

LEASE_S = 6
LONGEST_PAUSE_S = 8.0
ALL_DONE_WITHIN_S = 3600.0
READY_WITHIN_S = 300.0
ENVIRONMENT = {
    "PARCELA_LEASE_S": str(LEASE_S),
    "PARCELA_ATTEMPTS": "100",
    "PARCELA_RECONCILE_S": "1",
    "PARCELA_BACK_OFF_S": "0.2",
}
KINDS = ("worker", "child", "gateway", "redis", "serve", "freeze", "drop_replies")


@dataclass
class Verdict:
    """What was found.

    Attributes:
        equal, expected: results equal to the undisturbed ones, and how many there should be.
        states, polls: how the jobs ended; what polls were answered meanwhile.
        faults: how many of each kind.
        log: why the ledger moved these jobs, and how often.
        outlived: processes that lived 5 s after who started them was killed.
    """

    equal: int = 0
    expected: int = 0
    states: Counter[str] = field(default_factory=Counter)
    polls: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    log: Counter[str] = field(default_factory=Counter)
    outlived: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether every promise was kept, and something was there to keep it against."""
        again = self.log["lease expired"] + self.log["released"] + self.log["restored"]
        lost = self.polls[404] + self.polls[500]
        return self.equal == self.expected and not self.outlived and not lost and bool(again)


class Served:
    """One ``parcela serve``, to be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def keep_alive(self) -> None:
        """Start it if it does not run."""
        if self.process is not None and self.process.poll() is None:
            return
        command = [sys.executable, "-m", "chaos.served_server", str(self.port)]
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(self.folder / "data")],
                env=os.environ | ENVIRONMENT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"{self.url}/readyz").is_success:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.2)
        raise TimeoutError(f"not ready: see {self.folder}/serve.log")

    def everything(self) -> list[psutil.Process]:
        """All that it started."""
        try:
            assert self.process is not None
            return list(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def having(self, word: str) -> list[psutil.Process]:
        """Those with this word in their command line."""
        return [process for process in self.everything() if word in words_of(process)]

    def end(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)


def run(folder: Path, jobs: int, faults: int, seed: int, say: Callable[[str], object]) -> Verdict:
    """Each scan once undisturbed, then all again while faults happen."""
    chance, verdict, served = random.Random(seed), Verdict(), Served(folder)
    scans = [_scan(folder / f"{n}.nii.gz", 0.8 + 0.4 * n / jobs) for n in range(jobs)]
    served.keep_alive()
    served.wait_until_ready()
    try:
        with Client(served.url, patience_s=READY_WITHIN_S) as client:
            undisturbed = [client.submit(scan, preprocess=False) for scan in scans]
            wanted = [_result(client, job, folder) for job in undisturbed]
            say("undisturbed: done")
            disturbed = [client.submit(scan, preprocess=False) for scan in scans]
            with _Polls(served.url, [*undisturbed, *disturbed], verdict):
                _disturb(served, chance, faults, verdict, say)
                found = [_result(client, job, folder) for job in disturbed]
            verdict.expected = len(wanted)
            verdict.equal = sum(a == b for a, b in zip(found, wanted, strict=True))
            verdict.states = Counter(client.job(job).status for job in disturbed)
        verdict.log = _log(served, {job.id for job in disturbed})
    finally:
        served.end()
    return verdict


def _scan(path: Path, gamma: float) -> Path:
    brain = conform(nib.load(COLIN27_BRAIN), (64, 64, 64), (3.0, 3.0, 3.0))
    data = np.asarray(brain.dataobj, np.float32)
    changed = np.clip(data / data.max(), 0, 1) ** gamma * 1000
    nib.save(nib.Nifti1Image(changed.astype(np.int16), brain.affine), path)
    return path


def _result(client: Client, job: RemoteJob, folder: Path) -> str:
    """SHA-256 of the label map, once there is one."""
    path = client.download(
        client.wait(job, timeout_s=ALL_DONE_WITHIN_S), folder / f"{job.id}.nii.gz"
    )
    return sha256_of(path)


def _disturb(
    served: Served,
    chance: random.Random,
    faults: int,
    verdict: Verdict,
    say: Callable[[str], object],
) -> None:
    """Do faults at random moments, every kind before any comes again; one without a victim waits for its turn."""
    begun, due, later = time.monotonic(), list[str](), list[threading.Timer]()

    def kill(victim: psutil.Process) -> None:
        try:
            orphans = victim.children(recursive=True)
            victim.kill()
        except psutil.NoSuchProcess:
            return
        after(ALL_GONE_WITHIN_S, lambda: verdict.outlived.extend(map(words_of, _alive(orphans))))

    def after(seconds: float, do: Callable[[], None]) -> None:
        later.append(threading.Timer(seconds, do))
        later[-1].start()

    while verdict.faults.total() < faults:
        time.sleep(chance.uniform(1, LONGEST_PAUSE_S))
        served.keep_alive()
        due = due or chance.sample(KINDS, len(KINDS))
        victims = _victims(served, due[-1])
        if not victims:
            continue
        kind, victim = due.pop(), chance.choice(victims)
        if kind == "freeze":  # it may take a bell with it that it never heard
            victim.suspend()
            after(LEASE_S + 1, lambda victim=victim: kill(victim))  # type: ignore[misc]
        elif kind == "drop_replies":
            victim.send_signal(CUT)
        else:
            kill(victim)
        verdict.faults[kind] += 1
        say(f"{time.monotonic() - begun:6.1f} s  {kind}")
    for timer in later:
        timer.join()
    served.keep_alive()


def _victims(served: Served, kind: str) -> list[psutil.Process]:
    match kind:
        case "worker" | "freeze":
            return [p for p in served.having("parcela_cli.app worker") if not computes(p)]
        case "child":
            return [process for process in served.everything() if computes(process)]
        case "gateway":
            return served.having("-m parcela_gateway")
        case "redis":
            return served.having(Path(find_program()).name)
        case _:
            assert served.process is not None
            return [psutil.Process(served.process.pid)]


def words_of(process: psutil.Process) -> str:
    """Its command line, or nothing where it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if not gone(process)]


class _Polls:
    """Asks after every job all the time, as callers do, and counts the answers."""

    def __init__(self, url: str, jobs: list[RemoteJob], verdict: Verdict) -> None:
        self._url, self._jobs, self._verdict = url, jobs, verdict
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx2.Client(base_url=self._url, timeout=30) as http:
            while not self._stopping.wait(0.2):
                for job in self._jobs:
                    try:
                        self._verdict.polls[http.get(f"/jobs/{job.id}").status_code] += 1
                    except httpx2.HTTPError:  # the gateway is dead at the moment
                        time.sleep(0.1)


def _log(served: Served, ids: set[str]) -> Counter[str]:
    """Why the ledger moved these jobs, and how often."""
    running = DataFolder(served.folder / "data").running()
    assert running is not None
    with Redis(unix_socket_path=running.socket, decode_responses=True) as redis:
        entries = [transition_of(moment, fields) for moment, fields in redis.xrange("parcela:log")]
    return Counter(entry.why for entry in entries if entry.id in ids)
