"""The data folder of an older version, served by this one. ``PARCELA_TEST_OLD`` names its checkout, with a .venv."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from parcela.atlas.aal import COLIN27_BRAIN
from patience import patient
from served_stack import Stack

OLD = os.environ.get("PARCELA_TEST_OLD", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OLD, reason="PARCELA_TEST_OLD names no checkout of an older version"),
]


def submit(url: str) -> str:
    """Send a brain that needs no preprocessing; its job's id."""
    with COLIN27_BRAIN.open("rb") as scan:
        answer = httpx2.post(f"{url}/predict/?preprocessing=false", files={"file": scan})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def ended(url: str, job: str) -> dict[str, Any]:
    """The job, once it has ended."""
    end = time.monotonic() + patient(120)
    while time.monotonic() < end:
        found: dict[str, Any] = httpx2.get(f"{url}/jobs/{job}").json()
        if found["status"] in ("done", "failed"):
            return found
        time.sleep(0.5)
    raise AssertionError(f"{job} has not ended")


def test_given_an_older_versions_data_when_served_by_this_one_then_nothing_is_lost(
    tmp_path: Path,
) -> None:
    stack = Stack(tmp_path / "data")
    new, stack.command = stack.command, [f"{OLD}/.venv/bin/parcela"]
    stack.start()
    done = submit(stack.url)
    assert ended(stack.url, done)["status"] == "done"
    before = httpx2.get(f"{stack.url}/jobs/{done}/result").content
    waiting = [submit(stack.url) for _ in range(2)]
    stack.end()

    stack.command = new
    stack.start()
    try:
        listed = {job["id"] for job in httpx2.get(f"{stack.url}/jobs").json()["jobs"]}
        assert listed == {done, *waiting}
        assert httpx2.get(f"{stack.url}/jobs/{done}/result").content == before
        assert [ended(stack.url, job)["status"] for job in waiting] == ["done", "done"]
        for job in (done, *waiting):
            files = httpx2.get(f"{stack.url}/jobs/{job}/files").json()["files"]
            assert all(httpx2.get(stack.url + file["href"]).is_success for file in files)
            assert httpx2.delete(f"{stack.url}/jobs/{job}").is_success
            assert httpx2.get(f"{stack.url}/jobs/{job}").status_code == 410
    finally:
        stack.end()
