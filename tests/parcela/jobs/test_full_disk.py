"""A stage whose disk is full: the job is given back, its attempt does not count, and it is done when there is room."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_requests import job_request
from parcela.jobs.child import ComputeChild
from parcela.jobs.job_files import commit_request
from parcela.jobs.keys import scan_key
from parcela.jobs.ledger import Ledger
from parcela.jobs.worker import Worker
from parcela.settings import Settings, settings
from parcela.store.folder import FolderStore
from small_disk import SmallDisk, small_disk

__all__ = ["small_disk"]

TESTS = Path(__file__).parents[2]


@pytest.fixture(params=["store", pytest.param("temporary", marks=pytest.mark.slow)])
def crowded(
    request: pytest.FixtureRequest,
    redis_url: str,
    tmp_path: Path,
    small_disk: SmallDisk,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Worker]:
    """A worker with one of its folders on a small disk."""
    folders = {"store": tmp_path / "store", "temporary": tmp_path / "temporary"}
    folders[request.param] = small_disk.folder / request.param
    folders["temporary"].mkdir()
    monkeypatch.setenv("PARCELA_STORE", str(folders["store"]))
    monkeypatch.setenv("TMPDIR", str(folders["temporary"]))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setattr("parcela.jobs.worker.PAUSE_S", 0)
    settings.cache_clear()
    ledger = Ledger(redis_url, attempts=1, back_off_s=0)
    ledger.mark()
    child = ComputeChild("stub_stage")
    yield Worker(
        "preprocess", ledger, FolderStore(folders["store"]), child, lambda _: None, Settings()
    )
    child.close()
    settings.cache_clear()


def test_given_a_full_disk_when_a_stage_writes_then_its_job_waits_uncounted_and_is_done_later(
    crowded: Worker, small_disk: SmallDisk
) -> None:
    request = job_request()
    wish = {"does": "spill", "bytes": 8_000_000}
    crowded.store.put(scan_key(request.id, request.upload), json.dumps(wish).encode())
    assert commit_request(crowded.store, request)
    crowded.ledger.add(request)
    if (small_disk.folder / "store").exists():
        small_disk.fill()
    for _ in range(2):  # one more than there are attempts
        assert crowded.work_once()
        job = crowded.ledger.get(request.id)
        assert job is not None
        assert (job.waiting, job.attempt, job.stage) == (True, 0, "preprocess")

    small_disk.grow()
    assert crowded.work_once()
    job = crowded.ledger.get(request.id)
    assert job is not None
    assert job.stage == "inference"
