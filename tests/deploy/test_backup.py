"""The data folder of `parcela serve` put back elsewhere: all of it, and the store alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from parcela.atlas.aal import COLIN27_BRAIN
from patience import patient
from processes import wait_until
from served_stack import Stack

pytestmark = pytest.mark.slow


@contextmanager
def served(data: Path) -> Iterator[httpx2.Client]:
    stack = Stack(data)
    stack.start()
    try:
        with httpx2.Client(base_url=stack.url, timeout=patient(30)) as client:
            yield client
    finally:
        stack.end()


def is_done(client: httpx2.Client, job: str) -> bool:
    """Whether it is; a job that failed fails the test."""
    status = client.get(f"/jobs/{job}").json()["status"]
    assert status != "failed"
    return bool(status == "done")


def test_given_a_copy_of_the_data_or_of_the_store_alone_when_served_elsewhere_then_no_job_is_lost(
    tmp_path: Path,
) -> None:
    with served(tmp_path / "first") as client:
        jobs = []
        for _ in range(2):
            with COLIN27_BRAIN.open("rb") as scan:
                sent = client.post("/predict/?preprocessing=false", files={"file": scan})
            jobs.append(str(sent.json()["id"]))
        wait_until(lambda: is_done(client, jobs[0]), within_s=120)
        label_map = client.get(f"/jobs/{jobs[0]}/result").content

    shutil.copytree(tmp_path / "first", tmp_path / "whole")
    (tmp_path / "bare").mkdir()
    shutil.copytree(tmp_path / "first" / "store", tmp_path / "bare" / "store")

    for data in ("whole", "bare"):
        with served(tmp_path / data) as client:
            wait_until(lambda: len(client.get("/jobs").json()["jobs"]) == 2)
            assert client.get(f"/jobs/{jobs[0]}/result").content == label_map
            wait_until(lambda: is_done(client, jobs[1]), within_s=120)
