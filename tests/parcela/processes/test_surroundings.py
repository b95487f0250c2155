"""A user whom the system does not know, and memory that runs out, in every library's own words."""

from __future__ import annotations

import errno
import getpass
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from command import PARCELA
from parcela.errors import BadScan, LimitExceeded, StepFailed
from parcela.processes.isolation import run_isolated
from parcela.processes.surroundings import explaining_memory, name_user

NAMES = ("USER", "LOGNAME", "LNAME", "USERNAME", "HOME")
UNKNOWN = (
    "unshare",
    "--user",
    "--map-user=54321",
)  # a user id of no passwd entry, as containers have it


# ---------------------------------------------------------------------------------------- a user without a name


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without a passwd entry, and an environment that says nothing."""

    def no_entry(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in NAMES:
        monkeypatch.setenv(name, "")  # or what name_user sets would stay
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)


def test_given_a_user_without_an_entry_then_a_name_and_a_home_are_given(nobody: None) -> None:
    with pytest.raises(KeyError):
        getpass.getuser()
    name_user()
    assert getpass.getuser() == f"uid-{os.getuid()}"
    assert Path.home().is_dir()


@pytest.mark.parametrize("variable", ["USER", "LOGNAME"])
def test_given_a_name_in_the_environment_then_it_stays(
    nobody: None, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "jane")
    monkeypatch.setenv("HOME", "/home/jane")
    name_user()
    assert (getpass.getuser(), str(Path.home())) == ("jane", "/home/jane")


def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command under a user id that the system does not know."""
    if not shutil.which("unshare") or subprocess.run([*UNKNOWN, "true"], check=False).returncode:
        pytest.skip("needs user namespaces")
    env = {name: value for name, value in os.environ.items() if name not in NAMES}
    return subprocess.run(
        [*UNKNOWN, *command], capture_output=True, text=True, env=env, check=False
    )


def test_given_such_a_user_indeed_then_the_command_names_it() -> None:
    program = (
        "from parcela.processes.surroundings import name_user; name_user(); import getpass, pathlib; "
        "print(getpass.getuser(), pathlib.Path.home())"
    )
    done = as_nobody(sys.executable, "-c", program)
    assert (done.returncode, done.stdout.split()[0]) == (0, "uid-54321"), done.stderr


@pytest.mark.slow  # MONAI and matplotlib are imported
def test_given_such_a_user_when_the_installation_is_examined_then_it_is_whole() -> None:
    done = as_nobody(*PARCELA, "doctor")
    assert "getpwuid" not in done.stderr
    assert (done.returncode, done.stderr) == (0, "")


# ---------------------------------------------------------------------------------------- memory


def numpy_full() -> None:
    np.empty(10**15, np.uint8)


def torch_full() -> None:
    torch.empty(10**15, dtype=torch.uint8)


def within_a_step() -> None:
    try:
        torch_full()
    except RuntimeError as error:
        raise StepFailed(f"step spacing failed: {error}") from error


def no_process() -> None:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def no_library() -> None:
    raise ImportError("libtorch_cpu.so: failed to map segment: Cannot allocate memory")


def no_thread() -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    "work", [numpy_full, torch_full, within_a_step, no_process, no_library, no_thread]
)
def test_given_memory_that_runs_out_then_it_is_one_error_with_what_is_needed(
    work: Callable[[], None],
) -> None:
    with pytest.raises(LimitExceeded, match="memory ran out") as ended, explaining_memory():
        work()
    assert "needs about 2 GB" in str(ended.value)
    assert ended.value.exit_code == 3


@pytest.mark.parametrize(
    "error",
    [
        *(BadScan("out of memory.nii: no such file"), StepFailed("ROBEX crashed")),
        *(RuntimeError("shapes differ"), OSError(errno.ENOSPC, "full"), ZeroDivisionError("x")),
        LimitExceeded("n4 took more than 100 MB"),
    ],
)
def test_given_any_other_error_then_it_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as ended, explaining_memory():
        raise error
    assert ended.value is error


@pytest.mark.parametrize("task", ["starve", "starve_in_cpp"])
def test_given_a_native_program_without_memory_then_it_is_said_so(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with pytest.raises(LimitExceeded, match=rf"^{task} found no memory.*needs about 2 GB"):
        run_isolated(task, {}, module="unruly_tasks")


@pytest.mark.parametrize("command", ["predict", "label", "preprocess"])
def test_given_a_limit_that_nothing_can_run_in_then_that_is_said_before_anything_is_begun(
    command: str, tmp_path: Path
) -> None:
    line = 'ulimit -v 900000; exec "$@"'
    done = subprocess.run(
        [
            "sh",
            "-c",
            line,
            "sh",
            *PARCELA,
            command,
            str(tmp_path / "scan.nii"),
            "-o",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "may take 0.9 GB of memory (`ulimit -v`), and a scan of the usual size" in done.stderr
    assert len(done.stderr.splitlines()) == 1
