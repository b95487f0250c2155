"""``parcela serve`` with every real part: the clients against it, and what is left of it when it is killed."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import nibabel as nib
import numpy as np
import psutil
import pytest

from command import parcela
from parcela_cli.client.client import Client
from parcela_cli.serve.redis import find_program
from parcela_cli.serve.stack import workers
from patience import patient
from processes import wait_until
from served_stack import Stack

pytestmark = pytest.mark.slow

STRIPPED = ("--no-preprocess",)  # the phantom is a brain already: seconds instead of minutes


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[Stack]:
    found = Stack(tmp_path_factory.mktemp("serve") / "data", weights)
    found.start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.end()


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as found:
        yield found


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def geometry(path: Path) -> tuple[tuple[int, ...], bytes]:
    found = nib.load(path)
    assert isinstance(found, nib.Nifti1Image)
    return found.shape, np.asarray(found.affine).tobytes()


def test_given_the_stack_then_it_is_ready_and_says_where(stack: Stack) -> None:
    answer = httpx2.get(f"{stack.url}/readyz")
    assert answer.status_code == 200, answer.text
    several = workers()
    assert answer.json()["workers"] == {
        "preprocess": several,
        "labelling": several,
        "inference": 1,
    }


def test_given_the_stack_when_a_second_starts_on_its_folder_then_it_is_refused(
    stack: Stack,
) -> None:
    done = parcela("serve", "--port", "1", "--data", stack.data)
    assert done.code == 2
    assert stack.url in done.err
    assert "uses this folder" in done.err


def test_given_one_scan_when_each_client_sends_it_then_the_map_is_the_local_commands(
    stack: Stack, client: Client, brain: Path, tmp_path: Path, weights: Path, checkout: Path
) -> None:
    env = {"PARCELA_WEIGHTS": str(weights)}
    local = parcela("predict", brain, "-o", tmp_path / "local", *STRIPPED, env=env)
    assert local.code == 0, local.err
    wanted = (tmp_path / "local" / "colin_dseg.nii.gz").read_bytes()

    job = client.wait(client.submit(brain, preprocess=False))
    by_python = client.download(job, tmp_path / "python.nii.gz")
    remote = parcela(
        "predict", brain, "-o", tmp_path / "remote", *STRIPPED, "--server", stack.url, env=env
    )
    assert remote.code == 0, remote.err
    by_shell = tmp_path / "shell.nii.gz"
    shell = subprocess.run(
        [
            checkout / "predict.sh", "-i", brain, "-o", by_shell, "--no-preprocess",
            "--server", stack.url,
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert shell.returncode == 0, shell.stderr

    assert by_python.read_bytes() == wanted
    assert by_shell.read_bytes() == wanted
    assert (tmp_path / "remote" / "colin_dseg.nii.gz").read_bytes() == wanted
    assert {path.name for path in (tmp_path / "remote").iterdir()} == {
        path.name for path in (tmp_path / "local").iterdir()
    }
    assert local.out.split("\t")[1:3] == remote.out.split("\t")[1:3]
    assert geometry(by_shell) == geometry(brain)


def test_given_jobs_when_listed_shown_and_pruned_then_the_folder_finds_the_server(
    stack: Stack, client: Client, brain: Path
) -> None:
    job = client.wait(client.submit(brain, preprocess=False))
    listed = parcela("jobs", "list", "--data", stack.data)
    assert job.id in listed.out
    assert '"status": "done"' in parcela("jobs", "show", job.id, "--data", stack.data).out
    assert parcela("jobs", "prune", "--server", stack.url).out == ""
    assert job.id in parcela("jobs", "prune", "--days", "0", "--server", stack.url).out
    assert parcela("jobs", "list", "--data", stack.data).out == ""
    assert not (stack.data / "store" / "jobs" / job.id).exists()


def test_given_a_retried_submission_then_it_is_the_same_job(client: Client, brain: Path) -> None:
    first = client.submit(brain, preprocess=False, idempotency_key="visit 1")
    assert client.submit(brain, preprocess=False, idempotency_key="visit 1").id == first.id
    client.cancel(first)


@pytest.mark.parametrize(
    ("name", "during"),
    [
        ("redis", "preprocessing"),
        ("parcela_gateway", "parcellating"),
        ("preprocess", "preprocessing"),
        ("inference", "parcellating"),
    ],
)
def test_given_a_job_that_runs_when_a_part_is_killed_then_it_is_done_all_the_same(
    stack: Stack, client: Client, brain: Path, name: str, during: str
) -> None:
    job = client.submit(brain, preprocess=False)
    wait_until(lambda: client.job(job).status == during, 120)
    victims = stack.parts(Path(find_program()).name if name == "redis" else name)
    below = [process for victim in victims for process in victim.children(recursive=True)]
    for victim in victims:
        victim.kill()
    wait_until(lambda: all(map(gone, below)), 5)
    assert client.wait(job, timeout_s=patient(120)).status == "done"


def test_given_jobs_that_run_when_all_is_killed_then_nothing_is_left_and_a_new_start_goes_on(
    stack: Stack, client: Client, brain: Path, tmp_path: Path
) -> None:
    jobs = [client.submit(brain, preprocess=False) for _ in range(2)]
    wait_until(lambda: client.job(jobs[0]).status != "queued", 60)
    running = stack.everything()
    assert len(running) > 8
    stack.end(signal.SIGKILL)
    wait_until(lambda: all(map(gone, running)), 5)

    stack.start()
    maps = {
        client.download(
            client.wait(job, timeout_s=patient(120)), tmp_path / f"{job.id}.nii.gz"
        ).read_bytes()
        for job in jobs
    }
    assert len(maps) == 1


def test_given_jobs_that_run_when_stopped_politely_then_all_ends_and_nothing_is_lost(
    stack: Stack, client: Client, brain: Path
) -> None:
    job = client.submit(brain, preprocess=False)
    wait_until(lambda: client.job(job).status != "queued", 60)
    running = stack.everything()
    assert stack.end() == 0
    assert [process for process in running if not gone(process)] == []
    assert not (stack.data / "running.json").exists()

    stack.start()
    assert client.wait(job, timeout_s=patient(120)).status == "done"
