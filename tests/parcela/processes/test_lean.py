"""A lean process: what others load in case is left out while they load, and is there afterwards."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from parcela.processes import lean
from parcela.processes.lean import IDLE_THREADS, be_lean, without

ASK = """
import json, os, sys
from parcela_cli.app import main
try:
    main(["regions"])
except SystemExit:
    pass
import nibabel
left_out = "pydicom" in sys.modules
import pydicom
print(json.dumps([left_out, pydicom.__name__, {name: os.environ[name] for name in %r}]))
"""


def test_given_a_module_without_which_a_block_runs_then_it_cannot_be_imported_there() -> None:
    sys.modules.pop("wave", None)
    with without(["wave"]), pytest.raises(ModuleNotFoundError):
        importlib.import_module("wave")
    assert importlib.import_module("wave").__name__ == "wave"


def test_given_a_module_that_is_loaded_when_a_block_runs_without_it_then_it_stays() -> None:
    with without(["json"]):
        assert importlib.import_module("json") is json


def test_given_a_library_that_loads_another_in_case_when_the_process_is_lean_then_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "try:\n    import wave\nexcept ImportError:\n    wave = None\n"
    (tmp_path / "lavish.py").write_text(text)
    (tmp_path / "modest.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(lean, "LEFT_OUT", {"lavish": ("wave",)})
    for name in IDLE_THREADS:
        monkeypatch.setenv(name, IDLE_THREADS[name])
    sys.modules.pop("wave", None)
    be_lean()
    be_lean()
    assert importlib.import_module("lavish").wave is None
    assert importlib.import_module("modest").wave is not None
    for name in ("lavish", "modest"):
        del sys.modules[name]


def test_given_the_command_then_nibabel_loads_no_dicom_and_threads_that_wait_are_idle() -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ASK % (tuple(IDLE_THREADS),)],
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(asked.stdout.splitlines()[-1])
    assert answer == [False, "pydicom", IDLE_THREADS]


KEPT = """
from parcela.processes.lean import be_lean, keep_memory
be_lean()
if %r:
    keep_memory()
import psutil
import torch
before = psutil.Process().memory_info().rss
torch.ones(16 * 2**20)
print((psutil.Process().memory_info().rss - before) / (64 * 2**20))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's memory alone is told what to keep")
@pytest.mark.parametrize(("keeps", "kept"), [(False, 0.0), (True, 1.0)])
def test_given_a_large_array_that_is_gone_then_its_memory_is_kept_where_it_was_asked_to_be(
    keeps: bool, kept: float
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", KEPT % keeps], capture_output=True, text=True, check=True
    )
    assert float(ran.stdout) == pytest.approx(kept, abs=0.2)
