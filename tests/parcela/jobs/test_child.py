"""The compute child: what it is told and says, and that nothing of it outlives its worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from job_requests import job_request
from parcela.jobs.child import ComputeChild
from parcela.jobs.child_main import Failed, Finished, Message, StageOrder, StepBegun
from parcela.jobs.keys import request_key, scan_key, stage_key
from parcela.jobs.records import JobRequest
from parcela.quality.grade import Judgement
from parcela.settings import settings
from parcela.store.folder import FolderStore
from patience import patient
from processes import gone, pids_in, wait_until

TESTS = Path(__file__).parents[2]
TOKEN = "0f" * 16

# A worker that gives one order and is killed while it waits.
STARTER = """
import sys
from parcela.jobs.child_main import StageOrder
from parcela.jobs.child import ComputeChild
child = ComputeChild("stub_stage")
child.begin(StageOrder.from_json(sys.argv[1]))
while True:
    child.receive(60)
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderStore]:
    """An empty store, which the child finds by the environment; temporary files lie beside it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("PARCELA_STORE", str(tmp_path / "store"))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS / "parcela" / "processes")])
    )
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    settings.cache_clear()
    yield FolderStore(tmp_path / "store")
    settings.cache_clear()


@pytest.fixture
def child(store: FolderStore, tmp_path: Path) -> Iterator[ComputeChild]:
    """A child of the stub's, after which no temporary file may stay."""
    child = ComputeChild("stub_stage")
    yield child
    child.close()
    assert list((tmp_path / "temporary").iterdir()) == []


def submitted(store: FolderStore, **wish: Any) -> StageOrder:
    """A job whose scan says what the stub does; the order to do its first stage."""
    request: JobRequest = job_request()
    store.put(scan_key(request.id, request.upload), json.dumps(wish).encode())
    store.put(request_key(request.id), request.to_json().encode())
    return StageOrder(job_id=request.id, stage="preprocess", token=TOKEN, tokens={})


def all_said(child: ComputeChild, order: StageOrder) -> list[Message]:
    """Everything that the child says to an order."""
    child.begin(order)
    said: list[Message] = []
    while not said or isinstance(said[-1], StepBegun):
        found = child.receive(patient(10))
        assert found is not None
        said.append(found)
    return said


def text(store: FolderStore, order: StageOrder, name: str) -> str:
    with store.open(stage_key(order.job_id, order.stage, order.token, name)) as file:
        return file.read().decode()


def test_given_an_order_then_steps_are_announced_and_the_files_lie_under_the_token(
    child: ComputeChild, store: FolderStore
) -> None:
    order = submitted(store, does="work")
    assert all_said(child, order) == [
        StepBegun(step="first", share=0),
        StepBegun(step="second", share=0.75),
        Finished(seconds={"stub": 0.5}),
    ]
    assert text(store, order, "result.txt") == f"{order.job_id} preprocess"


def test_given_a_map_that_was_judged_then_the_child_says_the_verdict(
    child: ComputeChild, store: FolderStore
) -> None:
    (end,) = all_said(child, submitted(store, does="judge", reasons=["half is missing"]))
    verdict = Judgement(verdict="look", reasons=("half is missing",))
    assert end == Finished(seconds={"stub": 0.5}, quality=verdict)


def test_given_two_orders_then_one_process_that_loaded_its_module_once_does_both(
    child: ComputeChild, store: FolderStore
) -> None:
    orders = [submitted(store, does="work") for _ in range(2)]
    for order in orders:
        all_said(child, order)
    first, second = (text(store, order, "warm.txt") for order in orders)
    assert first == second
    assert first.split()[0] == str(child.pid)
    assert child.pid is not None
    own = os.getpriority(os.PRIO_PROCESS, 0)  # 0, unless the tests themselves stand back
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == min(own + 10, 19)
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    assert 10 < child.resident_mb() < 2000


def test_given_libraries_that_print_then_what_the_child_says_stays_readable(
    child: ComputeChild, store: FolderStore, capfd: pytest.CaptureFixture[str]
) -> None:
    assert all_said(child, submitted(store, does="noise")) == [Finished(seconds={"stub": 0.5})]
    child.close()
    assert {"library says hello", "so does its C part"} <= set(capfd.readouterr().err.splitlines())


@pytest.mark.parametrize(
    ("deed", "slug", "detail", "retry"),
    [
        ("refuse", "bad-scan", "scan.nii.gz: truncated: copy it again", False),
        ("fail", "step-failed", "the mask is implausible", True),
        ("stumble", "step-failed", "a fault in Parcela itself (KeyError: 'a fault')", True),
        ("fill", "limit-exceeded", "preprocess found no memory: give the worker more", True),
        ("crash", "compute-crashed", "the process that computed it crashed (SIGSEGV)", True),
        ("leave", "compute-crashed", "the process that computed it left with code 7", True),
    ],
)
def test_given_an_attempt_that_fails_then_the_problem_is_told_and_the_next_order_is_done(
    child: ComputeChild, store: FolderStore, deed: str, slug: str, detail: str, retry: bool
) -> None:
    (said,) = all_said(child, submitted(store, does=deed))
    assert isinstance(said, Failed)
    assert (said.problem.slug, said.problem.detail, said.retry) == (slug, detail, retry)
    assert isinstance(all_said(child, submitted(store, does="noise"))[-1], Finished)


def test_given_a_job_that_was_deleted_then_it_is_not_tried_again(
    child: ComputeChild, store: FolderStore
) -> None:
    order = submitted(store, does="work")
    store.delete(f"jobs/{order.job_id}")
    (said,) = all_said(child, order)
    assert isinstance(said, Failed)
    assert (said.problem.slug, said.retry) == ("not-stored", False)


def test_given_a_stage_that_is_not_installed_then_it_is_said_what_to_install(
    store: FolderStore,
) -> None:
    child = ComputeChild("no_such_stage")
    (said,) = all_said(child, submitted(store, does="work"))
    child.close()
    assert isinstance(said, Failed)
    assert "no_such_stage is not installed" in said.problem.detail


def test_given_a_child_that_is_killed_at_work_then_all_that_it_started_ends_and_its_files_go(
    child: ComputeChild, store: FolderStore, tmp_path: Path
) -> None:
    own, pids = tmp_path / "own", tmp_path / "pids"
    child.begin(submitted(store, does="hang", own=str(own), pids=str(pids)))
    started = pids_in(pids, 2)
    assert child.resident_mb() > 60  # the isolated program counts
    scratch = Path(own.read_text().split()[1])
    assert scratch.exists()
    child.kill()
    assert not scratch.exists()
    wait_until(lambda: all(gone(pid) for pid in started), 5)


@pytest.mark.parametrize("victim", ["starter", "child"])
def test_given_a_worker_or_child_that_is_killed_outright_then_nothing_is_left_after_five_seconds(
    store: FolderStore, tmp_path: Path, victim: str
) -> None:
    own, pids = tmp_path / "own", tmp_path / "pids"
    order = submitted(store, does="hang", own=str(own), pids=str(pids))
    starter = subprocess.Popen([sys.executable, "-c", STARTER, order.to_json()])
    try:
        started = [*pids_in(pids, 2), *pids_in(own, 1)]
        assert any((tmp_path / "temporary").iterdir())
        os.kill(starter.pid if victim == "starter" else started[-1], signal.SIGKILL)
        killed = time.monotonic()
        wait_until(lambda: all(gone(pid) for pid in started), 5)
        if victim == "child":
            starter.kill()  # what it would do itself; its lifeline erases the folder
        wait_until(lambda: not any((tmp_path / "temporary").iterdir()), 10)
        assert time.monotonic() - killed < patient(10)
    finally:
        starter.kill()
        starter.wait()


def test_given_the_worker_module_then_neither_it_nor_the_childs_main_loads_anything_heavy() -> None:
    code = (
        "import sys, parcela.jobs.worker_app, parcela.jobs.child_main, parcela_preprocess.worker, "
        "parcela_inference.worker, parcela_labelling.worker\n"
        "print({'torch', 'ants', 'monai', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
