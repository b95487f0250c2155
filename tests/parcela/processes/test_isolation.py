"""A native program that hangs, eats memory or crashes fails one scan with a reason, and leaves nothing behind."""

from __future__ import annotations

import json
import resource
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from parcela.errors import LimitExceeded, StepFailed
from parcela.processes.isolation import private_folder, run_isolated
from parcela.settings import settings
from parcela_preprocess import native_tasks as real
from patience import patient
from processes import gone, pids_in, wait_until

Run = Callable[..., dict[str, NDArray[Any]]]
Limit = Callable[..., None]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Limit]:
    """Change a setting for one test."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"PARCELA_{name.upper()}", str(value))
        settings.cache_clear()

    yield change
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary ones are made; a test finds it empty and must leave it so."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def run(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run one of the unruly tasks; whatever comes of it, no temporary folder may stay."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))

    def isolated(task: str, arrays: Any = None, **options: object) -> dict[str, NDArray[Any]]:
        return run_isolated(task, arrays or {}, options, module="unruly_tasks")

    yield isolated
    assert list(temporary.iterdir()) == []


def assert_all_end(file: Path) -> None:
    """Both processes whose numbers stand in ``file`` end at once."""
    pids = pids_in(file, 2)
    wait_until(lambda: all(gone(pid) for pid in pids), 5)


def test_given_a_task_that_works_then_its_arrays_come_back_with_type_and_order(run: Run) -> None:
    image = np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    found = run("double", {"image": image}, plus=0.5)
    assert list(found) == ["image"]
    assert found["image"].dtype == np.float32
    np.testing.assert_array_equal(found["image"], image * 2 + 0.5)


def test_given_a_folder_with_modules_of_its_own_then_the_child_does_not_take_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's folder may hold a numpy.py, and is no place to run code from."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('not the library')")
    monkeypatch.chdir(tmp_path)
    run("double", {"image": np.ones(2)})


def test_given_a_task_that_hangs_then_it_is_stopped_with_everything_it_started(
    run: Run, limit: Limit, tmp_path: Path
) -> None:
    limit(step_timeout_s=6)
    begun = time.monotonic()
    with pytest.raises(
        LimitExceeded, match=r"hang did not finish in 6 s \(PARCELA_STEP_TIMEOUT_S\)"
    ):
        run("hang", pids=str(tmp_path / "pids"))
    assert 6 <= time.monotonic() - begun < patient(12)
    assert_all_end(tmp_path / "pids")


def test_given_a_task_that_leaves_a_process_behind_then_that_ends_too(
    run: Run, tmp_path: Path
) -> None:
    assert "done" in run("leave_behind", pids=str(tmp_path / "pids"))
    assert_all_end(tmp_path / "pids")


def test_given_a_starter_that_is_killed_outright_then_nothing_of_its_task_is_left_after_five_seconds(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("TMPDIR", str(temporary))
    code = (
        "import sys; from parcela.processes.isolation import run_isolated\n"
        "run_isolated('hang', {}, {'pids': sys.argv[1]}, module='unruly_tasks')"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "pids")])
    pids_in(tmp_path / "pids", 2)
    assert len(list(temporary.iterdir())) == 1
    starter.kill()
    starter.wait()
    assert_all_end(tmp_path / "pids")
    wait_until(lambda: not any(temporary.iterdir()), 5)


def test_given_a_starter_that_died_before_its_child_began_then_the_child_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    order = {"task": "hang", "options": {"pids": str(tmp_path / "pids")}, "starter": 1}
    (tmp_path / "task.json").write_text(json.dumps(order))
    left = subprocess.run(
        [sys.executable, "-m", "unruly_tasks", str(tmp_path)],
        capture_output=True,
        timeout=patient(20),
    )
    assert b"nobody waits" in left.stderr
    assert not (tmp_path / "pids").exists()


@pytest.mark.parametrize("task", ["eat", "eat_in_a_child"])
def test_given_a_task_that_eats_memory_then_it_is_stopped_at_the_limit(
    task: str, run: Run, limit: Limit
) -> None:
    limit(step_memory_mb=400, step_timeout_s=patient(10))
    with pytest.raises(
        LimitExceeded, match=rf"{task} took more than 400 MB \(PARCELA_STEP_MEMORY_MB\)"
    ):
        run(task, megabytes=1500)


def test_given_a_task_within_its_limits_then_they_do_not_touch_it(run: Run, limit: Limit) -> None:
    limit(step_memory_mb=1000, step_timeout_s=patient(10))
    assert run("eat", megabytes=200)["eaten"] == 4


def test_given_a_task_that_crashes_then_the_signal_is_named(run: Run) -> None:
    with pytest.raises(StepFailed, match=r"^crash crashed \(SIGSEGV\)$") as failed:
        run("crash")
    assert not isinstance(failed.value, LimitExceeded)


def test_given_a_task_that_raises_then_its_message_gets_through(run: Run) -> None:
    with pytest.raises(
        StepFailed, match=r"^refuse failed: ValueError: the image has no brain in it$"
    ):
        run("refuse")


def test_given_a_task_that_exits_without_a_reason_then_its_last_words_are_given(run: Run) -> None:
    with pytest.raises(StepFailed, match=r"^give_up failed: no licence found$"):
        run("give_up")


def test_given_a_task_that_does_not_exist_then_it_is_an_error_of_the_step(run: Run) -> None:
    with pytest.raises(StepFailed, match="no_such_task failed: KeyError"):
        run("no_such_task")


def test_given_no_room_for_temporary_files_then_it_is_said_where(run: Run, temporary: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (1000, hard)
    )  # writing more fails as it does on a full disk
    try:
        with pytest.raises(StepFailed) as failed:
            run("double", {"image": np.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"{temporary} takes no temporary files" in str(failed.value)
    assert "TMPDIR" in str(failed.value)


def test_given_thread_settings_then_the_child_sees_them_and_a_fixed_seed(
    run: Run, limit: Limit, temporary: Path
) -> None:
    limit(itk_threads=3, torch_threads=5)
    lines = str(run("surroundings")["environment"]).splitlines()
    assert "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=3" in lines
    assert "OMP_NUM_THREADS=5" in lines
    assert "ANTS_RANDOM_SEED=1" in lines
    (scratch,) = (line for line in lines if line.startswith("TMPDIR="))
    assert (
        Path(scratch.removeprefix("TMPDIR=")).parent == temporary
    )  # what it scatters is erased with the folder


def test_given_a_temporary_folder_with_a_space_then_another_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaced = tmp_path / "my temporary files"
    spaced.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spaced))
    with private_folder() as folder:
        assert not any(character.isspace() for character in str(folder))
        (folder / "scratch").write_text("x")
    assert not folder.exists()
    found = run_isolated("n4", n4_arrays(), module=real.__name__)
    assert found["image"].shape == (20, 22, 24)
    assert list(spaced.iterdir()) == []


def n4_arrays() -> dict[str, NDArray[Any]]:
    """A small smooth ball for the real N4."""
    grid = np.indices((20, 22, 24)).astype(np.float32)
    image = np.exp(-((grid - 11) ** 2).sum(axis=0) / 60).astype(np.float32)
    frame = {"origin": np.zeros(3), "spacing": np.ones(3), "direction": np.eye(3)}
    return {"image": image, **frame}


def test_given_a_private_folder_then_nobody_else_may_look_into_it(temporary: Path) -> None:
    with private_folder() as folder:
        assert folder.parent == temporary
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_given_an_error_inside_then_the_private_folder_is_erased_all_the_same(
    temporary: Path,
) -> None:
    def fail_inside() -> None:
        with private_folder() as folder:
            (folder / "patient.npy").write_bytes(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_inside()
    assert list(temporary.iterdir()) == []
