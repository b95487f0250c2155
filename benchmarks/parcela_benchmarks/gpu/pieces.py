"""The kit's pieces of work: each writes its results, and goes on where an earlier call of it ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from parcela.files import atomic_file, write_text
from parcela.options import BOTH, Network
from parcela_benchmarks.gpu.convolutions import convolution_times
from parcela_inference.scores import class_scores
from parcela_inference.weights import network
from parcela_training.experiment_folder import ExperimentFolder, Plan
from parcela_training.hardware import hardware
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.training import checkpoint
from parcela_training.training.budget import Budget
from parcela_training.training.presets import modern
from parcela_training.training.record import NETWORK, RECORD
from parcela_training.training.train import TrainingProgress, train

REPOSITORY = Path(__file__).parents[3]
SPEED = "speed.json"
VALIDATE_EVERY_STEPS = 500
STEPS_TIMED = {"cuda": 50, "cpu": 1}
LARGEST_FILE = 16 * 1024**2  # that comes back


def time_everything(prepared: PreparedSet, out: Path, device: str, small: bool) -> None:
    """Convolutions, both networks' maps on the device and on the CPU, and steps and predictions beside MONAI's own."""
    record: dict[str, Any] = {"hardware": hardware(device), "torch": torch.__version__}
    record["convolutions"] = (
        convolution_times(device, (8, 8, 8), 8) if small else convolution_times(device)
    )
    _keep(out / SPEED, record)
    image = PreparedImage.load(prepared.files("val")[0]).image.astype(np.float32)
    record["voxels_that_differ_from_the_cpu"] = {
        model: _share_apart(image, model, device) for model in BOTH
    }
    _keep(out / SPEED, record)
    record["steps"] = _timed_steps(device, small, out)
    _keep(out / SPEED, record)


def _share_apart(
    image: np.ndarray[Any, np.dtype[np.float32]], model: Network, device: str
) -> float:
    """The share of voxels that the shipped network labels otherwise on this device; MONAI's forward pass on both."""
    maps = [
        class_scores(image, model, where, network(model, where), exact=True).highest()[1]
        for where in ("cpu", device)
    ]
    return float((maps[0] != maps[1]).mean())


def _timed_steps(device: str, small: bool, out: Path) -> Any:
    """``training_step.py``, in processes of its own."""
    file = out / "steps.json"
    command = [
        sys.executable,
        str(REPOSITORY / "benchmarks" / "training_step.py"),
        "--device",
        device,
    ]
    command += ["--steps", str(STEPS_TIMED[device]), "--out", str(file)]
    subprocess.run([*command, *(["--grid", "32,32,32"] if small else [])], check=True)
    return json.loads(file.read_text(encoding="utf-8"))


def train_on(
    prepared: PreparedSet,
    model: Network,
    out: Path,
    device: str,
    minutes: float,
    seconds_left: float,
) -> bool:
    """Train from the shipped weights, or go on from the checkpoint in ``out``, while there is time; whether it is done.

    ``out`` is an experiment's folder, which ``parcela publish`` takes.
    """
    run = ExperimentFolder(out)
    run.claim(Plan("modern", prepared=str(prepared.folder)))
    recipe = modern(model, device)
    steps = VALIDATE_EVERY_STEPS if device == "cuda" else 1
    recipe = replace(
        recipe, validate_every=max(1.0, steps * recipe.batch / len(prepared.of("train")))
    )
    stop = threading.Timer(seconds_left, os.kill, (os.getpid(), signal.SIGTERM))
    stop.daemon = True
    stop.start()
    try:
        train(
            recipe,
            prepared,
            out / model,
            budget=Budget(minutes=minutes),
            from_weights=REPOSITORY / "weights",
            device=device,
            on_progress=_say,
        )
    except SystemExit:
        return False  # saved; the next call goes on
    finally:
        stop.cancel()
    return True


def _say(moment: TrainingProgress) -> None:
    if point := moment.validation:
        print(
            f"step {point.step}  loss {point.validation_loss:.4f}  Dice {point.validation_dice:.4f}  "
            f"regions missing {point.regions_missing}",
            flush=True,
        )


def bring_back(work: Path, back: Path) -> list[str]:
    """Copy the results to where they are fetched from, light enough; what they are, for people.

    Weights go in 16 bits. A checkpoint beyond the limit loses what only going on needs: the optimiser and the weights
    before their average.
    """
    back.mkdir(parents=True, exist_ok=True)
    said = []
    for file in sorted(work.rglob("*")):
        if file.name not in (SPEED, "experiment.json", RECORD, NETWORK, checkpoint.FILE):
            continue
        target = back / file.relative_to(work)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.name == NETWORK:
            save_file(_halved(load_file(file)), target)
            target.chmod(0o644)
        elif file.name == checkpoint.FILE and file.stat().st_size > LARGEST_FILE:
            with atomic_file(target) as stream:
                torch.save(_light(checkpoint.load(file)), stream)
        else:
            shutil.copyfile(file, target)
        said.append(f"{target}  {target.stat().st_size / 1e6:.1f} MB")
    return said


def _light(state: dict[str, Any]) -> dict[str, Any]:
    return state | {"average": _halved(state["average"]), "modules": {}, "optimiser": {}}


def _halved(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {n: v.half() if v.is_floating_point() else v for n, v in tensors.items()}


def can_go_on(file: Path) -> bool:
    """Whether a checkpoint that came back holds everything that going on needs."""
    return file.exists() and bool(checkpoint.load(file)["optimiser"])


def _keep(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(record, indent=2) + "\n")
