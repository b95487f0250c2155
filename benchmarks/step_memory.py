"""Memory of one forward and backward pass of the thesis's step, at its own grid and at the one it could not fit.

    python benchmarks/step_memory.py      # prints a table, writes benchmarks/results/step_memory.json

An estimate where no GPU of that size is at hand: PyTorch runs the step on fake tensors, which have sizes and no data,
and its own tracker (``torch.distributed._tools.mem_tracker``) adds up what is alive. Counted: weights, gradients,
Adam's moments, everything kept for the backward pass, temporaries of single operations, image and labels. Not counted:
cuDNN's workspaces, what the allocator cannot fill, CUDA itself (some 0.5 GB). As a check the same step also runs for
real on this CPU, in float32 at half the grid, and its peak memory stands beside the estimate.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from monai.losses import DiceLoss
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from parcela.atlas.aal import CLASS_COUNT
from parcela.imaging.geometry import Shape
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.options import BOTH, Network
from parcela_inference.networks import MULTIPLE, build
from parcela_training.preparation.settings import HALF_SHAPE, LARGE_SHAPE
from parcela_training.training.presets import LEARNING_RATE

RESULTS = Path(__file__).parent / "results" / "step_memory.json"
PRECISIONS = {"float32": None, "float16": torch.float16}
GPUS_GB = {"RTX 4090 (the thesis's)": 24, "A100 or H100": 80, "H200": 141}


class Axes(list[int]):
    """MONAI's DiceLoss asks a tensor for its axes' numbers, which one without data cannot say."""

    def tolist(self) -> list[int]:
        return self


@dataclass(frozen=True)
class Step:
    """One update of the thesis's."""

    network: torch.nn.Module
    optimiser: torch.optim.Optimizer
    image: torch.Tensor
    label: torch.Tensor

    @staticmethod
    def on(model: Network, shape: Shape) -> Step:
        network = build(model, "thesis")
        return Step(
            network,
            torch.optim.Adam(network.parameters(), lr=LEARNING_RATE),
            torch.zeros(1, 1, *(size + -size % MULTIPLE for size in shape)),
            torch.zeros(1, 1, *shape, dtype=torch.long),
        )

    def do(self, dtype: torch.dtype | None = None) -> None:
        """Forward, crop, Dice, backward, Adam; the softmax in float32, as autocast has it on CUDA."""
        i, j, k = self.label.shape[2:]
        with torch.autocast("cpu", dtype or torch.float16, enabled=dtype is not None):
            scores = self.network(self.image)[..., :i, :j, :k].float()
        DiceLoss(softmax=True, to_onehot_y=True)(scores, self.label).backward()
        self.optimiser.step()


def estimate_gb(model: Network, shape: Shape, dtype: torch.dtype | None) -> float:
    """Peak of what is alive."""
    with FakeTensorMode():
        step, tracker = Step.on(model, shape), MemTracker()
        tracker.track_external(step.network, step.optimiser, step.image, step.label)
        with tracker, patch("torch.arange", lambda low, high: Axes(range(low, high))):
            step.do(dtype)
    peak: dict[Any, dict[Any, int]] = tracker.get_tracker_snapshot("peak")
    return sum(by_kind["Total"] for by_kind in peak.values()) / 1e9


def measured_gb(model: Network, shape: Shape) -> float:
    """Peak of the resident set above what it was before, in a process of its own."""
    command = [sys.executable, __file__, "--real", model, *map(str, shape)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def real(model: Network, shape: Shape) -> float:
    """Run in the child: one small step first, so that libraries are loaded."""
    torch.set_num_threads(1)
    Step.on(model, (30, 30, 30)).do()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Step.on(model, shape).do()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 1e9


def main() -> None:
    if sys.argv[1:2] == ["--real"]:
        model, *sizes = sys.argv[2:]
        assert model in ("unet", "highresnet")
        i, j, k = map(int, sizes)
        print(real(model, (i, j, k)))  # type: ignore[arg-type]
        return
    rows = [
        {
            "model": model,
            "grid": list(shape),
            "precision": name,
            "estimate_gb": round(estimate_gb(model, shape, dtype), 2),
        }
        for model in BOTH
        for shape in (HALF_SHAPE, MODEL_SHAPE, LARGE_SHAPE)
        for name, dtype in PRECISIONS.items()
    ]
    for row in rows:
        if row["grid"] == list(HALF_SHAPE) and row["precision"] == "float32":
            row["measured_on_cpu_gb"] = round(measured_gb(row["model"], HALF_SHAPE), 2)  # type: ignore[arg-type]
        print("\t".join(str(value) for value in row.values()), flush=True)
    record = {
        "what": f"one update of the thesis's step, batch 1, {CLASS_COUNT} classes, DiceLoss, Adam",
        "how": "an estimate: torch.distributed._tools.mem_tracker on fake tensors; no GPU was used",
        "not_counted": "cuDNN's workspaces, the allocator's gaps, CUDA itself",
        "torch": torch.__version__,
        "gpus_gb": GPUS_GB,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
