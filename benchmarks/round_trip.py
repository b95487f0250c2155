"""Back to the scan's grid, by every method that suggests itself: Dice, seconds and memory on Colin27's own labels.

    python benchmarks/round_trip.py            # prints a table, writes benchmarks/results/round_trip.json

AAL's label map on Colin27's whole-head grid goes through the geometric steps to the model's grid, and back by each
method. What is lost is lost by the way back alone (and by the finite model grid), since both ends are known exactly.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, Orientationd, Resized, Spacingd
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.aal import CLASS_COUNT, COLIN27_BRAIN, atlas_labels
from parcela.atlas.counts import dice
from parcela.imaging.trail import GeometryTrail
from parcela.imaging.volume import read_volume
from parcela.settings import settings
from parcela_inference.block_scores import BlockScores
from parcela_inference.to_scan import to_scan
from parcela_preprocess.preprocess import Preprocessed, preprocess

RESULTS = Path(__file__).parent / "results" / "round_trip.json"
Labels = NDArray[np.uint8]


def model_scores(labels: Labels, trail: GeometryTrail) -> torch.Tensor:
    """What a perfect network would say on the model's grid: the share of each class around each voxel, (I, J, K, 117).

    Each class's indicator is resampled from the scan's grid to the model's, linearly.
    """
    matrix = trail.model_to_scan()
    index = np.stack(np.meshgrid(*[np.arange(n) for n in trail.model.shape], indexing="ij"), -1)
    where = np.moveaxis(index @ matrix[:3, :3].T + matrix[:3, 3], -1, 0)
    scores = torch.empty((*trail.model.shape, CLASS_COUNT), dtype=torch.float16)
    for label in range(CLASS_COUNT):
        share = ndimage.map_coordinates((labels == label).astype(np.float32), where, order=1)
        scores[..., label] = torch.from_numpy(share)
    return scores


def nearest(scores: torch.Tensor, trail: GeometryTrail) -> Labels:
    """Each voxel of the scan takes the label of the nearest voxel of the model's grid."""
    labels = scores.argmax(-1).to(torch.uint8).numpy()
    matrix = trail.scan_to_model()
    index = np.stack(np.meshgrid(*[np.arange(n) for n in trail.scan.shape], indexing="ij"), -1)
    where = np.rint(index @ matrix[:3, :3].T + matrix[:3, 3]).astype(int)
    inside = ((where >= 0) & (where < labels.shape)).all(-1)
    where = np.clip(where, 0, np.asarray(labels.shape) - 1)
    return np.asarray(labels[where[..., 0], where[..., 1], where[..., 2]] * inside, np.uint8)


def vote(scores: torch.Tensor, trail: GeometryTrail) -> Labels:
    """Linear interpolation of the hard labels' indicators: the eight neighbours vote."""
    hard = torch.nn.functional.one_hot(scores.argmax(-1), CLASS_COUNT).half()
    return to_scan(BlockScores.of(hard), trail)


def step_by_step(labels: Labels, affine: NDArray[np.float64], done: Preprocessed) -> Labels:
    """MONAI's own way: each geometric step undone in turn, on hard labels with the nearest neighbour."""
    chain = Compose(
        [
            Spacingd("label", pixdim=(1.0, 1.0, 1.0), mode="nearest"),
            Orientationd("label", axcodes="RAS", labels=None),
            CropForegroundd("label", source_key="label"),
            Resized("label", spatial_size=done.trail.model.shape, mode="nearest"),
        ]
    )
    item = chain(
        {
            "label": MetaTensor(
                torch.from_numpy(labels[None].astype(np.float32)), affine=torch.from_numpy(affine)
            )
        }
    )
    return np.asarray(chain.inverse(item)["label"][0]).astype(np.uint8)


def measured(name: str, call: Callable[[], Labels], truth: Labels) -> dict[str, Any]:
    """Dice, seconds and the rise of resident memory over the call."""
    process = psutil.Process()
    before = process.memory_info().rss
    peak, stop = [before], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    labels = call()
    seconds = time.perf_counter() - started
    stop.set()
    watcher.join()
    return {
        "method": name,
        "dice": round(float(dice(labels, truth).mean()), 4),
        "seconds": round(seconds, 2),
        "memory_mb": round((peak[0] - before) / 1e6),
    }


def main() -> None:
    torch.set_num_threads(settings().torch_threads)
    truth, affine = atlas_labels()
    done = preprocess(read_volume(COLIN27_BRAIN), preprocess=False)
    scores = model_scores(truth, done.trail)
    rows = [
        measured("MONAI, step by step, nearest", lambda: step_by_step(truth, affine, done), truth),
        measured("one inversion, nearest", lambda: nearest(scores, done.trail), truth),
        measured("one inversion, vote of labels", lambda: vote(scores, done.trail), truth),
        measured(
            "one inversion, class scores (kept)",
            lambda: to_scan(BlockScores.of(scores), done.trail),
            truth,
        ),
    ]
    print(f"{'method':<38}{'Dice':>8}{'seconds':>9}{'MB':>7}")
    for row in rows:
        print(f"{row['method']:<38}{row['dice']:>8.4f}{row['seconds']:>9.2f}{row['memory_mb']:>7}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps(
            {"grid": truth.shape, "torch_threads": settings().torch_threads, "rows": rows}, indent=1
        )
    )


if __name__ == "__main__":
    main()
