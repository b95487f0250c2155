"""Seconds and memory of training and prediction: MONAI alone as the thesis has it, and ours, side by side.

    python benchmarks/training_step.py                 # on a CPU at half the grid; on a GPU at the whole one
    python benchmarks/training_step.py --grid 91,122,123 --steps 3
    python benchmarks/training_step.py --gradient PREPARED  # classes near a patch against all, on one image

MONAI alone: whole volumes, batch 1, DiceLoss, Adam, float16 with gradient scaling on CUDA, float32 on a CPU; no
augmentation. Ours: the recipe ``modern`` with everything it does to an image, augmentation included. Every line is
measured in a process of its own, on made-up volumes; on a CPU in processor seconds, which other work on the machine
does not change (much). The U-Net's step is measured with all classes in each patch as well. Prints a table, writes
results/training_step-DEVICE.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import DiceLoss

from parcela.atlas.aal import CLASS_COUNT
from parcela.imaging.geometry import Shape
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.options import BOTH, Network
from parcela.processes.lean import keep_memory
from parcela.weights.cards import weights_folder
from parcela_inference.networks import build
from parcela_training.evaluation.engine import parcellator
from parcela_training.hardware import hardware
from parcela_training.networks.predict import monai_predictor, padded
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.preparation.settings import HALF_SHAPE, parse_shape
from parcela_training.training.distributed import ProcessGroup
from parcela_training.training.objectives import training_step
from parcela_training.training.presets import LEARNING_RATE, modern
from parcela_training.training.recipe import without_first_steps
from parcela_training.training.record import read_weights
from parcela_training.training.samples import Samples
from parcela_training.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
WAYS = ("monai", "ours, all classes", "ours")


def made_up(shape: Shape) -> PreparedImage:
    """A box of 116 regions in noise."""
    draw = np.random.default_rng(0)
    label = np.zeros(shape, np.uint8)
    inner = label[5:-5, 5:-5, 5:-5]
    inner[:] = (np.arange(inner[0].size) * 116 // inner[0].size + 1).reshape(inner.shape[1:])
    image = (draw.random(shape) * (label > 0)).astype(np.float16)
    return PreparedImage(image, label, label, np.diag([1.5, 1.5, 1.5, 1.0]))


def monai_step(
    model: Network, prepared: PreparedImage, device: torch.device
) -> Callable[[], object]:
    """A plain loop's body: pad, forward, crop, Dice, backward, Adam."""
    network = build(model, "thesis").to(device)
    loss, optimiser = (
        DiceLoss(softmax=True, to_onehot_y=True),
        torch.optim.Adam(network.parameters(), lr=LEARNING_RATE),
    )
    half = device.type == "cuda"
    scaler = torch.amp.GradScaler(device.type, enabled=half)
    image = padded(prepared.image.astype(np.float32)).to(device)
    label = torch.from_numpy(prepared.label)[None, None].long().to(device)
    i, j, k = prepared.label.shape

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.float16, enabled=half):
            dice_loss = loss(network(image)[..., :i, :j, :k], label)
        scaler.scale(dice_loss).backward()
        scaler.step(optimiser)
        scaler.update()

    return step


def our_step(
    model: Network, prepared: PreparedImage, device: torch.device, *, all_classes: bool
) -> tuple[Callable[[], object], int]:
    """A step of ``modern``, past the U-Net's cheaper first steps, and its batch."""
    settings = replace(modern(model, device.type), trunk_steps=0)
    settings = replace(settings, class_margin=None) if all_classes else settings
    with tempfile.TemporaryDirectory() as folder:
        prepared.save(Path(folder) / "made_up.npz")
        samples = Samples([Path(folder) / "made_up.npz"], device)
    return Trainer(settings, samples, samples, ProcessGroup(0, 1, device)).step, settings.batch


def measure(
    model: Network, way: str, shape: Shape, device: torch.device, steps: int
) -> dict[str, Any]:
    """One line of the table; run in a child."""
    prepared = made_up(shape)
    batch = 1
    if way == "monai":
        step = monai_step(model, prepared, device)
    else:
        step, batch = our_step(model, prepared, device, all_classes="all" in way)
    before = peak_gb(device)
    seconds = mean_s(step, device, steps)
    peak = peak_gb(device) - (before if device.type == "cpu" else 0)
    network = build(model, "thesis" if way == "monai" else "modern").to(device)
    predict = monai_predictor(network) if way == "monai" else parcellator(model, network)
    image = prepared.image.astype(np.float32)
    prediction = mean_s(lambda: predict(image), device, steps)
    return {
        "model": model,
        "way": way,
        "batch": batch,
        "training_s_per_image": round(seconds / batch, 4),
        "training_peak_gb": round(peak, 2),
        "prediction_s": round(prediction, 4),
    }


def gradient(folder: Path, draws: int = 4) -> list[dict[str, float]]:
    """The shipped U-Net's gradient on one image: classes near each patch against all of them, on the same patches."""
    samples = Samples(PreparedSet.read(folder).files("train")[:1])
    recipe = replace(without_first_steps(modern("unet")), precision="float32")
    found = []
    for place in range(draws):
        gradients, losses = [], []
        for margin in (None, recipe.class_margin):
            step = training_step(replace(recipe, class_margin=margin))
            step.network.load_state_dict(read_weights(weights_folder(), "unet")[0])
            loss = step([samples.at(place, 0, None)], 0)
            loss.backward()
            parameters = [each.grad for each in step.network.parameters() if each.grad is not None]
            gradients.append(torch.cat([each.flatten() for each in parameters]).double())
            losses.append(float(loss.detach()))
        every, near = gradients
        found.append(
            {
                "loss_all": losses[0],
                "loss_near": losses[1],
                "cosine": float(every @ near / every.norm() / near.norm()),
                "relative_difference": float((every - near).norm() / every.norm()),
            }
        )
    return found


def mean_s(work: Callable[[], object], device: torch.device, times: int) -> float:
    """Of so many calls after a first one; a mean, since one of ours in four goes deeper than the others."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    work()
    _finish(device)
    began = clock()
    for _ in range(times):
        work()
    _finish(device)
    return (clock() - began) / times


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_gb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    arguments = _arguments()
    device = torch.device(arguments.device)
    shape = parse_shape(arguments.grid) if arguments.grid else _usual(device)
    torch.set_num_threads(arguments.threads)
    if arguments.gradient:
        for row in gradient(arguments.gradient):
            print("\t".join(f"{name} {value:.4f}" for name, value in row.items()), flush=True)
        return
    if arguments.one:
        keep_memory()
        model, way = arguments.one
        print(json.dumps(measure(model, way, shape, device, arguments.steps)))
        return
    rows = []
    for model in BOTH:
        for way in WAYS if model == "unet" and device.type == "cpu" else (WAYS[0], WAYS[-1]):
            command = [sys.executable, __file__, "--one", model, way, "--device", device.type]
            command += ["--grid", ",".join(map(str, shape)), "--steps", str(arguments.steps)]
            command += ["--threads", str(arguments.threads)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print("\t".join(str(value) for value in rows[-1].values()), flush=True)
    record = {
        "hardware": hardware(device.type),
        "torch": torch.__version__,
        "grid": list(shape),
        "classes": CLASS_COUNT,
        "mean_of": arguments.steps,
        "clock": "wall" if device.type == "cuda" else "processor seconds of all threads",
        "threads": arguments.threads if device.type == "cpu" else None,
        "rows": rows,
    }
    path = arguments.out or RESULTS / f"training_step-{device.type}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")


def _usual(device: torch.device) -> Shape:
    return MODEL_SHAPE if device.type == "cuda" else HALF_SHAPE


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    usual = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=("cpu", "cuda"), default=usual)
    parser.add_argument("--grid", metavar="I,J,K")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="another file than the one in results/")
    parser.add_argument(
        "--gradient", type=Path, metavar="PREPARED", help="this alone, on its first image"
    )
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "WAY"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
