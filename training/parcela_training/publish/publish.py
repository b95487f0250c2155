"""Publish a network: 16-bit safetensors with their hash, what they are worth, and the card that says so.

What is evaluated is what is written: the 16-bit weights, read back.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import HighResNet
from safetensors.torch import load_file, save_file
from torch import nn

from parcela.errors import BadRequest
from parcela.files import sha256_of, write_text
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.options import Network
from parcela.settings import settings
from parcela_inference.networks import PADDED_SHAPE, build
from parcela_training.evaluation.engine import parcellator
from parcela_training.evaluation.images import Evaluator, evaluate
from parcela_training.evaluation.networks import made_from
from parcela_training.evaluation.registrations import measure_registrations
from parcela_training.experiment_folder import ExperimentFolder
from parcela_training.hardware import hardware
from parcela_training.jsonable import to_jsonable
from parcela_training.options import Part
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.progress import OnLine, counting
from parcela_training.publish.card_record import evaluation_record
from parcela_training.publish.model_card import VARIANTS, log_line, model_card
from parcela_training.publish.plausible import write_plausible
from parcela_training.training import checkpoint
from parcela_training.training.batch_norm import reestimate
from parcela_training.training.recipe import Recipe, read_recipe
from parcela_training.training.record import RECORD, load_network
from parcela_training.training.samples import Samples


@dataclass(frozen=True, slots=True)
class Publication:
    """What to publish, and how it is measured.

    Attributes:
        run: the folder of an experiment, or of one network's training.
        model: which network.
        weights: the folder that gets ``<model>/`` and a line in ``LOG.md``.
        prepared: what ``prepare`` left; None: the experiment's own.
        test: measure on the test images too, once nothing is left to choose.
        noise: validation images that are registered twice, for the labels' own noise.
    """

    run: Path
    model: Network
    weights: Path
    prepared: Path | None = None
    test: bool = False
    noise: int = 2

    @property
    def training(self) -> Path:
        """Where the network's training left its files."""
        folder = ExperimentFolder(self.run).network(self.model)
        return folder if folder.is_dir() else self.run


def publish(wanted: Publication, on_line: OnLine) -> dict[str, Any]:
    """Write ``weights/<model>/`` (weights, ``card.json``, ``README.md``) and the log's line; returns the card.

    Beside the U-Net goes the table of plausible classes.

    Raises:
        BadRequest: there is no such network in the run, or its images lie on another grid than prediction's.
    """
    torch.set_num_threads(settings().torch_threads)
    prepared = _prepared(wanted)
    trained = _trained(wanted)
    folder = wanted.weights / wanted.model
    earlier = _earlier(folder, trained.from_weights)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "model.safetensors.part"
    _write(_network(wanted, trained, prepared).state_dict(), part)
    parts: tuple[Part, ...] = ("val", "test") if wanted.test else ("val",)
    measured = {kind: _measure(wanted, trained, part, prepared, kind, on_line) for kind in parts}
    card = _card(trained, earlier, prepared, part, measured, _noise(wanted, prepared, on_line))
    if wanted.model == "unet":
        card["plausible"] = write_plausible(prepared, folder)
    part.replace(folder / "model.safetensors")
    write_text(folder / "card.json", json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "README.md", model_card(card))
    with (wanted.weights / "LOG.md").open("a", encoding="utf-8") as log:
        log.write(log_line(card))
    return card


@dataclass(frozen=True, slots=True)
class _Trained:
    """How far the training has come, finished or not."""

    recipe: Recipe
    steps: int
    hours: float
    from_weights: str | None
    curve: list[dict[str, Any]]
    also_masks: dict[str, int]


def _trained(wanted: Publication) -> _Trained:
    file = wanted.training / checkpoint.FILE
    if not file.exists():
        raise BadRequest(
            f"{wanted.run}: no {wanted.model} in it: run parcela train -o {wanted.run} first"
        )
    state = checkpoint.load(file)
    try:
        recipe = read_recipe(state["settings"])
    except ValueError as error:
        raise BadRequest(
            f"{file} has other settings than today's: train it a little more first"
        ) from error
    if recipe.model != wanted.model:
        raise BadRequest(f"{wanted.run} holds {recipe.model}, not {wanted.model}")
    progress = state["progress"]
    return _Trained(
        recipe,
        progress["step"],
        progress["seconds"] / 3600,
        progress["from_weights"],
        progress["curve"],
        progress.get("also_masks", {}),
    )


def _earlier(folder: Path, sha256: str | None) -> dict[str, Any] | None:
    """The training of the published weights that this one began with, if they are those that it replaces."""
    if sha256 is None:
        return None
    file = folder / "card.json"
    card = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    training = card["training"] if card.get("sha256") == sha256 else {"steps": 0, "hours": 0.0}
    return {
        "sha256": sha256,
        "steps": training["steps"],
        "hours": training["hours"],
        "curve": training.get("curve", []),
    }


def _curve(trained: _Trained, earlier: dict[str, Any] | None) -> list[list[float]]:
    """Steps and validation Dice of this run and of those before it; a validation before any step is another's last."""
    steps_before, rows = (earlier["steps"], earlier["curve"]) if earlier else (0, [])
    return [
        *rows,
        *(
            [steps_before + row["step"], round(row["validation_dice"], 4)]
            for row in trained.curve
            if row["step"]
        ),
    ]


def _network(wanted: Publication, trained: _Trained, prepared: PreparedSet) -> nn.Module:
    """Of an unfinished run the average, with the batch-norm statistics that belong to it."""
    network = load_network(wanted.training)
    recipe = trained.recipe
    unfinished = not (wanted.training / RECORD).exists()
    if unfinished and isinstance(network, HighResNet) and recipe.ema_decay and recipe.norm_images:
        train = Samples(prepared.files("train"), torch.device("cpu"))
        reestimate(network, train.shuffled(min(recipe.norm_images, len(train))))
    return network


def _prepared(wanted: Publication) -> PreparedSet:
    folder = ExperimentFolder(wanted.run)
    prepared = PreparedSet.read(wanted.prepared or folder.prepared_of(folder.plan()))
    if prepared.shape != MODEL_SHAPE:
        raise BadRequest(
            f"{prepared.folder}: images of {prepared.shape}; prediction takes {MODEL_SHAPE}: train on that grid"
        )
    return prepared


def _write(state: dict[str, torch.Tensor], path: Path) -> None:
    half = {name: v.half() if v.is_floating_point() else v for name, v in state.items()}
    save_file({name: value.contiguous() for name, value in half.items()}, path)
    path.chmod(0o644)


def _measure(
    wanted: Publication,
    trained: _Trained,
    file: Path,
    prepared: PreparedSet,
    part: Part,
    on_line: OnLine,
) -> dict[str, Any]:
    network = build(wanted.model, trained.recipe.variant)
    network.load_state_dict(load_file(file))
    decisive = made_from(network, prepared, part)
    evaluator = Evaluator(wanted.model, parcellator(wanted.model, network), made_from=decisive)
    journal = wanted.training / f"published-{part}.jsonl"
    evaluations = evaluate(
        evaluator, prepared, part, journal, on_item=counting(on_line, f"measure on {part}")
    )
    return evaluation_record(*evaluations)


def _noise(
    wanted: Publication, prepared: PreparedSet, on_line: OnLine
) -> dict[str, float | int] | None:
    registrations = measure_registrations(
        prepared,
        "val",
        wanted.training / "registrations-val.jsonl",
        timed=0,
        repeated=wanted.noise,
        on_item=counting(on_line, "register twice"),
    )
    if registrations is None:
        return None
    mean = sum(registrations.repeat_dice) / len(registrations.repeat_dice)
    return {"mean_dice": round(mean, 4), "images": len(registrations.repeat_dice)}


def _card(
    trained: _Trained,
    earlier: dict[str, Any] | None,
    prepared: PreparedSet,
    file: Path,
    measured: dict[Part, dict[str, Any]],
    noise: dict[str, float | int] | None,
) -> dict[str, Any]:
    rows = prepared.of("train")
    steps = trained.steps + (earlier["steps"] if earlier else 0)
    hours = trained.hours + (earlier["hours"] if earlier else 0.0)
    return {
        "model": trained.recipe.model,
        "variant": VARIANTS[trained.recipe.model, trained.recipe.variant],
        "sha256": sha256_of(file),
        "published": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "classes": 117,
        "grid": list(MODEL_SHAPE),
        "padded_grid": list(PADDED_SHAPE),
        "padding": "zeros at each axis's end",
        "dtype": "float16",
        "input": f"T1-weighted brain after Parcela's {prepared.record['chain']} preprocessing, in [0, 1], RAS+",
        "training": {
            "data": dict(sorted(Counter(row["dataset"] for row in rows).items())),
            "labels": f"bronze: AAL registered with SyN, opened as the {prepared.record['opening']} preset does",
            "images": len(rows),
            "subjects": len({row["subject"] for row in rows}),
            "steps": steps,
            "epochs": round(steps * trained.recipe.batch / len(rows), 2),
            "hours": round(hours, 2),
            "curve": _curve(trained, earlier),
            **({"also_masks": trained.also_masks} if trained.also_masks else {}),
            **(
                {"began_with": {key: earlier[key] for key in ("sha256", "steps", "hours")}}
                if earlier
                else {}
            ),
            "hardware": hardware(),
            "settings": to_jsonable(trained.recipe),
        },
        "computed_in": settings().torch_precision,
        "label_noise": noise,
        "validation": measured["val"],
        **({"test": measured["test"]} if "test" in measured else {}),
    }
