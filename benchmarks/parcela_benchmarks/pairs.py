"""Two ways to do one thing, measured in turn: processor seconds, their ratio pair by pair, peak memory, and on what."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from parcela.files import write_text
from parcela_training.hardware import hardware, versions

RESULTS = Path(__file__).parents[1] / "results" / "speed"
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
Work = Callable[[], object]

# How PyTorch's three libraries are kept from newer instructions on a processor that has them.
AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "PARCELA_TORCH_THREADS": "1"}
INSTRUCTIONS: Mapping[str, Mapping[str, str]] = {"native": {}, "AVX2 alone": AVX2}


def in_turn(before: Work, now: Work, runs: int) -> list[tuple[float, float]]:
    """Processor seconds of either, in turn. Call both once before: the first call alone prepares some things."""
    return [(_seconds(before), _seconds(now)) for _ in range(runs)]


def _seconds(work: Work) -> float:
    began = time.process_time()
    work()
    return round(time.process_time() - began, 3)


def in_child(script: str, arguments: list[str], instructions: str) -> dict[str, Any]:
    """What the script prints as its last line, JSON, in a process of its own with these instruction sets."""
    environment = os.environ | INSTRUCTIONS[instructions] | ONE_THREAD
    done = subprocess.run(
        [sys.executable, script, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def peak_mb() -> int:
    """Of this process, up to now."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def record(name: str, row: Mapping[str, Any], pairs: list[list[float]] | None = None) -> None:
    """Write one measurement to a file of its own: a row of docs/performance.md."""
    measured: dict[str, Any] = dict(row)
    if pairs is not None:
        ratios = sorted(before / now for before, now in pairs)
        measured |= {
            "unit": "processor seconds",
            "pairs": pairs,
            "before": round(median(before for before, _ in pairs), 3),
            "now": round(median(now for _, now in pairs), 3),
            "ratio": [round(each, 2) for each in (median(ratios), ratios[0], ratios[-1])],
        }
    measured |= {
        "threads": 1,
        "hardware": hardware().rpartition(",")[0],
        "instruction_sets": instruction_sets(),
        "versions": versions(),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_text(RESULTS / f"{name}.json", json.dumps(measured, indent=1) + "\n")


def instruction_sets() -> list[str]:
    """Those that the processor has and that matter to networks."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if sys.platform == "linux" else ""
    present = set(text.split())
    return [flag for flag in FLAGS if flag in present]
