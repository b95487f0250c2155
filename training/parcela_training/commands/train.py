"""``parcela train``: the networks, from prepared images, resumable at any point."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parcela.errors import BadRequest
from parcela.options import Device, ModelChoice, networks_of
from parcela_cli.arguments import Threads
from parcela_cli.destination import check_folder
from parcela_cli.progress import stderr
from parcela_training.commands.arguments import Budget, RunOut
from parcela_training.options import PresetName

if TYPE_CHECKING:
    from parcela_training.preparation.prepared_set import PreparedSet
    from parcela_training.training.recipe import Recipe
    from parcela_training.training.record import TrainingRecord
    from parcela_training.training.train import TrainingProgress

EVERY_S = 20.0  # from one line to the next, where stderr is no terminal


PreparedFolder = Annotated[
    Path, typer.Argument(metavar="PREPARED", help="A folder that parcela prepare has finished.")
]
Also = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="PREPARED",
        help="The same cohort prepared otherwise, such as with other brain masks: each epoch draws one of an image's. "
        "May be repeated.",
    ),
]
ModelOption = Annotated[ModelChoice, typer.Option(help="Which network.")]
Preset = Annotated[
    PresetName | None,
    typer.Option(
        help="The recipe. thesis: exact. modern: Parcela's own. demo: modern, for half the grid. Unless set, the one "
        "that the images were prepared for."
    ),
]
FromWeights = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Begin with published weights, such as weights/; the first row of the curve is theirs.",
    ),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Begin anew, whatever lies in RUN; else go on from it.")
]
Batch = Annotated[int | None, typer.Option(min=1, help="Images per update, over all processes.")]
LearningRate = Annotated[float | None, typer.Option(min=0, help="The recipe's own unless set.")]
Seed = Annotated[
    int, typer.Option(min=0, help="Of the first weights, the order, the augmentation.")
]
DeviceOption = Annotated[
    Device, typer.Option(help="auto: CUDA where there is one; mps is refused.")
]


def train(
    prepared: PreparedFolder = Path("runs/prepared"),
    out: RunOut = None,
    also: Also = None,
    model: ModelOption = "both",
    preset: Preset = None,
    budget: Budget = None,
    from_weights: FromWeights = None,
    fresh: Fresh = False,
    batch: Batch = None,
    learning_rate: LearningRate = None,
    seed: Seed = 0,
    device: DeviceOption = "auto",
    threads: Threads = None,
) -> None:
    """Train the networks on prepared images; curves, checkpoints and the networks land in RUN.

    Kill it when you like: the same command goes on from the last checkpoint. Several processes or GPUs:
    torchrun --nproc-per-node 2 -m parcela_cli.app train …
    """
    check_folder(out or Path("runs"))
    from parcela_training.hardware import training_device
    from parcela_training.preparation.prepared_set import PreparedSet
    from parcela_training.training.budget import parse_budget
    from parcela_training.training.presets import RECIPES
    from parcela_training.training.train import train as train_network

    images = PreparedSet.read(prepared)
    further = [PreparedSet.read(folder) for folder in also or ()]
    name: PresetName = preset or images.preset
    folder = out or Path("runs") / name
    where = training_device(device)
    ending = parse_budget(budget) if budget else None
    recipes = [
        (network, _changed(RECIPES[name](network, where), batch, learning_rate, seed))
        for network in networks_of(model)
    ]
    _claim(folder, prepared, name, budget, seed)
    for network, recipe in recipes:
        done = train_network(
            recipe,
            images,
            folder / network,
            budget=ending,
            resume=not fresh,
            from_weights=from_weights,
            device=where,
            threads=threads,
            also=further,
            on_progress=_EpochLines(network, recipe, images).show,
        )
        if _first():
            print(_summary(network, folder, done), flush=True)


def _changed(recipe: Recipe, batch: int | None, learning_rate: float | None, seed: int) -> Recipe:
    return replace(
        recipe,
        batch=recipe.batch if batch is None else batch,
        learning_rate=recipe.learning_rate if learning_rate is None else learning_rate,
        seed=seed,
    )


def _claim(folder: Path, prepared: Path, preset: PresetName, budget: str | None, seed: int) -> None:
    """Make the folder an experiment's, so that ``parcela evaluate`` and ``parcela report`` take it."""
    from parcela_training.experiment_folder import ExperimentFolder, Plan

    run = ExperimentFolder(folder)
    try:
        plan = run.plan()
    except BadRequest:
        run.claim(Plan(preset, prepared=str(prepared.absolute()), budget=budget, seed=seed))
        return
    if plan.preset != preset:
        raise BadRequest(
            f"{folder}: holds an experiment with the preset {plan.preset}, not {preset}: choose another folder with -o"
        )


def _first() -> bool:
    """Whether this process speaks, among those that ``torchrun`` started."""
    return os.environ.get("RANK", "0") == "0"


class _EpochLines:
    """One line on stderr for each validation and every so often between; on a terminal a live one below."""

    def __init__(self, model: str, recipe: Recipe, images: PreparedSet) -> None:
        self.model, self.said = model, 0.0
        self.live = stderr.status("…") if stderr.is_terminal else None
        if _first():
            train, val = len(images.files("train")), len(images.files("val"))
            stderr.print(f"[bold]{model}[/] {recipe.preset}: {train} images, {val} for validation")

    def show(self, moment: TrainingProgress) -> None:
        """After a step or a validation."""
        if point := moment.validation:
            missing = f", {point.regions_missing} regions missing" if point.regions_missing else ""
            stderr.print(
                f"{_place(self.model, moment)}  validation loss {point.validation_loss:.4f}, "
                f"Dice {point.validation_dice:.4f}{missing}{_left(moment)}"
            )
        elif self.live is not None:
            self.live.update(_line(self.model, moment))
            self.live.start()
        elif time.monotonic() - self.said >= EVERY_S:
            stderr.print(_line(self.model, moment))
        else:
            return
        done, of = moment.finishing or (moment.fraction, 1)
        if self.live is not None and done >= of:
            self.live.stop()
        self.said = time.monotonic()


def _line(model: str, moment: TrainingProgress) -> str:
    if moment.finishing:
        done, of = moment.finishing
        return f"{_place(model, moment)}  finishing: training image {done} of {of}"
    loss = "" if moment.loss is None else f"  loss {moment.loss:.4f}"
    return f"{_place(model, moment)}{loss}{_left(moment)}"


def _place(model: str, moment: TrainingProgress) -> str:
    return f"{model} {moment.fraction:4.0%}  step {moment.step}, epoch {moment.epochs:.1f}"


def _left(moment: TrainingProgress) -> str:
    from parcela_training.progress import minutes

    return f"  {minutes(moment.seconds_left)} left" if moment.seconds_left else ""


def _summary(model: str, folder: Path, done: TrainingRecord) -> str:
    """Tab-separated: the folder, steps, epochs, hours, the last validation, and the one before any step."""
    cells = [str(folder / model), f"{done.steps} steps", f"{done.epochs:.2f} epochs"]
    cells.append(f"{done.hours:.3f} h" + (", stopped early" if done.stopped_early else ""))
    if done.curve:
        last = done.curve[-1]
        cells += [f"loss {last.validation_loss:.4f}", f"Dice {last.validation_dice:.4f}"]
    if done.from_weights and done.curve:
        cells.append(f"Dice before {done.curve[0].validation_dice:.4f}")
    return "\t".join(cells)
