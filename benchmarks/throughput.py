"""Scans per hour through ``parcela serve``: this code beside another checkout of it, with ROBEX and with ``--fast``.

    python benchmarks/throughput.py CHECKOUT SCAN...              # the other checkout, then both ways of this one
    python benchmarks/throughput.py CHECKOUT SCAN... --runs 3

CHECKOUT has an environment of its own (``.venv``), and takes the scans as its defaults have it. Each service is started
in a folder of its own, and is given all scans at once. What is counted begins when it is ready and ends when its last
job has: seconds of the clock, and processor seconds of all its processes. Other work on a machine spoils the first, and
the second less.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

from parcela.errors import StepFailed
from parcela_benchmarks.pairs import record
from parcela_cli.serve.data_folder import DataFolder

HERE = Path(__file__).parents[1]
WAYS: dict[str, dict[str, Any]] = {  # of the U-Net, which older services have too
    "fast": {"model": "unet", "fast": True},
    "robex": {"model": "unet", "skull_strip": "robex"},
}
TITLES = {"fast": "`--fast`, U-Net", "robex": "ROBEX, U-Net"}
POLL_S, START_S = 0.5, 120.0
Seconds = dict[str, float]


def served(checkout: Path, scans: list[Path], options: dict[str, Any]) -> Seconds:
    """Seconds of clock and of processors that a service takes for these scans, start-up left out.

    Raises:
        StepFailed: a job failed.
    """
    with _service(checkout) as (process, client):
        clock, processor = time.monotonic(), _processor_s(process)
        for scan in scans:
            with scan.open("rb") as file:
                client.post("/predict/", params=options, files={"file": file}).raise_for_status()
        _wait(client)
        return {
            "clock": time.monotonic() - clock,
            "processor": _processor_s(process) - processor,
        }


@contextmanager
def _service(checkout: Path) -> Iterator[tuple[psutil.Popen, httpx2.Client]]:
    """A service of its own folder and port, ready for jobs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [checkout / ".venv/bin/python", "-m", "parcela_cli.app", "serve"]
        process = psutil.Popen(
            [*map(str, command), "--data", folder, "--port", str(_free_port())],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with httpx2.Client(
                base_url=_ready(Path(folder)), timeout=60, trust_env=False
            ) as client:
                yield process, client
        finally:
            process.terminate()
            process.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ready(folder: Path) -> str:
    """Wait until a service takes jobs; its URL."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        running = DataFolder(folder).running()
        try:
            if running and httpx2.get(f"{running.url}/readyz", trust_env=False).is_success:
                return running.url
        except httpx2.HTTPError:
            continue
    raise StepFailed(f"the service in {folder} did not start in {START_S:g} s")


def _wait(client: httpx2.Client) -> None:
    """Wait until every job has ended well."""
    while True:
        time.sleep(POLL_S)
        try:
            jobs = client.get("/jobs").raise_for_status().json()["jobs"]
        except httpx2.TransportError:
            continue  # a gateway that has died is started again
        for job in jobs:
            if job["status"] in ("failed", "cancelled"):
                raise StepFailed(f"a job has failed: {job}")
        if all(job["status"] == "done" for job in jobs):
            return


def _processor_s(process: psutil.Process) -> float:
    """Of a process and all below it, those that have ended and were waited for among them."""
    return sum(sum(each.cpu_times()[:4]) for each in (process, *process.children(recursive=True)))


def measure(checkout: Path, scans: list[Path], runs: int) -> None:
    """The other checkout's service and ours, in turn; a row of docs/performance.md for each of our ways."""
    took: dict[str, list[tuple[Seconds, Seconds]]] = {way: [] for way in WAYS}
    for _ in range(runs):
        before = served(checkout, scans, {})
        for way, options in WAYS.items():
            took[way].append((before, served(HERE, scans, options)))
            print(json.dumps({way: took[way][-1]}), flush=True)
    commit = subprocess.check_output(
        ["git", "-C", checkout, "rev-parse", "--short=7", "HEAD"], text=True
    ).strip()
    for way, pairs in took.items():
        per_scan = {
            unit: [[round(each[unit] / len(scans), 2) for each in pair] for pair in pairs]
            for unit in ("clock", "processor")
        }
        row = {
            "what": f"a whole head through the service, {len(scans)} at once, {TITLES[way]}",
            "against": f"the service of {commit}, ROBEX",
            "instructions": "native",
            "clock": per_scan["clock"],
        }
        record(f"throughput-{way}", row, per_scan["processor"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("checkout", type=Path, help="of the code to compare with")
    parser.add_argument("scans", type=Path, nargs="+", metavar="SCAN", help="whole heads")
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    measure(arguments.checkout.resolve(), arguments.scans, arguments.runs)


if __name__ == "__main__":
    main()
