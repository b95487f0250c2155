"""Publish a run's averaged weights: 16-bit safetensors, validation figures, cards, a log line.

    python -m parcela_training.publish --run RUN --prepared DIR --weights weights

What is evaluated is what is written: the 16-bit weights, read back.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import HighResNet
from safetensors.torch import load_file, save_file
from torch import nn

from parcela_inference.networks import MODEL_SHAPE, PADDED_SHAPE
from parcela_training import checkpoint
from parcela_training.batch_norm import reestimate
from parcela_training.cohort import read_datasets, read_split
from parcela_training.evaluate import Evaluation, evaluate
from parcela_training.model_card import log_line, model_card
from parcela_training.presets import Settings
from parcela_training.samples import Samples
from parcela_training.train import trainee

VARIANTS = {
    ("unet", "modern"): "modern",
    ("highresnet", "modern"): "modern (no final ReLU)",
    ("highresnet", "thesis"): "thesis",
    ("unet", "thesis"): "thesis",
}


def publish(
    run: Path, prepared: Path, weights: Path, subjects: int | None, volumes: int
) -> dict[str, Any]:
    """Write ``weights/<model>/`` and its line in ``weights/LOG.md``; returns the card."""
    state = checkpoint.load(run / "checkpoint.pt")
    settings = Settings(
        **{**state["settings"], "patch_size": tuple(state["settings"]["patch_size"])}
    )
    train = Samples(read_split(prepared, "train"))
    network = averaged(state, settings)
    if isinstance(network, HighResNet) and volumes:
        reestimate(network, train, volumes, augmented=False)
    folder = weights / settings.model
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "model.safetensors.part"
    save_file({name: _half(value) for name, value in network.state_dict().items()}, part)
    network.load_state_dict(load_file(part))
    found = evaluate(
        network,
        Samples(read_split(prepared, "val")[:: _stride(subjects)][:subjects]),
        read_datasets(prepared),
        lambda line: print(line, file=sys.stderr, flush=True),
    )
    part.chmod(0o644)
    part.replace(folder / "model.safetensors")
    history = checkpoint.read_history(run)
    card = _card(
        settings, state["progress"], train, read_datasets(prepared), found, history, folder
    )
    (folder / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    (folder / "README.md").write_text(model_card(card))
    with (weights / "LOG.md").open("a") as log:
        log.write(log_line(card))
    return card


def averaged(state: dict[str, Any], settings: Settings) -> nn.Module:
    """The run's network with its averaged weights."""
    network = trainee(settings).network
    own = {
        name.removeprefix("network."): value
        for name, value in state["modules"].items()
        if name.startswith("network.")
    }
    network.load_state_dict({**own, **state["average"]})
    return network.eval()


def _half(value: torch.Tensor) -> torch.Tensor:
    return (value.half() if value.is_floating_point() else value).contiguous()


def _stride(subjects: int | None) -> int:
    return 1 if subjects is None else max(1, 25 // subjects)


def _card(
    settings: Settings,
    progress: dict[str, Any],
    train: Samples,
    datasets: dict[str, str],
    found: Evaluation,
    history: list[dict[str, Any]],
    folder: Path,
) -> dict[str, Any]:
    counts = {
        kind: sum(datasets[name] == kind for name in train.names)
        for kind in sorted({datasets[name] for name in train.names})
    }
    return {
        "model": settings.model,
        "variant": VARIANTS[settings.model, settings.variant],
        "sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "published": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "classes": 117,
        "grid": list(MODEL_SHAPE),
        "padded_grid": list(PADDED_SHAPE),
        "padding": "zeros at each axis's end",
        "dtype": "float16",
        "input": "T1-weighted brain after Parcela's modern preprocessing, in [0, 1], RAS+",
        "training": {
            "data": counts,
            "licences": {"IXI": "CC BY-SA 3.0", "ds002748": "CC0"},
            "labels": "bronze: AAL registered with SyN, opened as the modern preset does",
            "subjects": len(train),
            "steps": progress["step"],
            "hours": round(progress["seconds"] / 3600, 2),
            "hardware": "2 CPU cores shared with other work, bf16",
            "settings": checkpoint.plain(settings),
            "history": history,
        },
        "validation": found.record(),
    }


def main() -> None:
    """Read the command line and publish."""
    parser = argparse.ArgumentParser(prog="parcela_training.publish", description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--subjects", type=int, help="validate on so many only")
    parser.add_argument("--volumes", type=int, default=60, help="for batch-norm statistics")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    card = publish(
        arguments.run,
        arguments.prepared,
        arguments.weights,
        arguments.subjects,
        arguments.volumes,
    )
    print(json.dumps(card["validation"]["all"]))


if __name__ == "__main__":
    main()
