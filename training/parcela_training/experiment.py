"""The whole experiment as one call: prepare, train both networks, evaluate, report.

Every step goes on where it was when the call is repeated after a kill.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from parcela.errors import BadRequest
from parcela.options import BOTH, Network
from parcela_training.cohorts.split import Split, load_split, write_split
from parcela_training.evaluation.networks import EvaluationOptions, evaluate_experiment
from parcela_training.experiment_folder import ExperimentFolder, Plan
from parcela_training.hardware import training_device
from parcela_training.preparation.prepare import Failure, Step, likely_processes, prepare
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.progress import OnLine, minutes
from parcela_training.report.gather import gather_record
from parcela_training.report.scan_figures import draw_predictions, draw_scans
from parcela_training.report.write import write_report
from parcela_training.training.budget import parse_budget
from parcela_training.training.presets import ExperimentPreset
from parcela_training.training.presets import experiment as experiment_preset
from parcela_training.training.train import TrainingProgress, train

EVERY_S = 20.0


def experiment(
    plan: Plan,
    folder: ExperimentFolder,
    *,
    options: EvaluationOptions | None = None,
    processes: int | None = None,
    on_line: OnLine,
) -> dict[str, Path]:
    """Do what the thesis's chapters 3 and 4 did, from raw scans to tables and figures.

    Args:
        plan: what to do.
        folder: where everything lies; new, or of the same plan.
        options: how much the evaluation measures.
        processes: images prepared at a time; None: as many as fit.
        on_line: called with each line of progress.

    Returns:
        The report's files: ``markdown``, ``html``, ``metrics``.

    Raises:
        BadRequest: the folder holds another experiment, or the plan does not fit the cohort.
        StepFailed: no image of some part could be prepared.
    """
    device = training_device()
    preset = experiment_preset(plan.preset, device)
    budget = parse_budget(plan.budget) if plan.budget else None
    folder.check(plan)
    prepared = _prepare(plan, preset, folder, processes, on_line)
    for model in BOTH:
        recipe = replace(preset.recipes[model], seed=plan.seed)
        on_line(f"train {model}: {budget or recipe.budget}")
        train(
            recipe,
            prepared,
            folder.network(model),
            budget=budget,
            device=device,
            on_progress=_reporter(model, on_line),
        )
    evaluate_experiment(folder, options or EvaluationOptions(), on_line)
    return report(folder)


def report(folder: ExperimentFolder) -> dict[str, Path]:
    """Write a run's record and its report from what lies in its folder.

    Raises:
        BadRequest: there is no experiment in it, or its images are not prepared yet.
    """
    draw_predictions(folder, PreparedSet.read(folder.prepared_of(folder.plan())))
    record = gather_record(folder)
    record.save(folder.record)
    return write_report(record, folder.path)


def _prepare(
    plan: Plan,
    preset: ExperimentPreset,
    folder: ExperimentFolder,
    processes: int | None,
    on_line: OnLine,
) -> PreparedSet:
    target = folder.prepared_of(plan)
    if plan.prepared and not plan.cohort:
        if plan.split:
            raise BadRequest("--prepared without a COHORT says which images: leave --split out")
        prepared = PreparedSet.read(target)
        folder.claim(plan)
        return prepared
    split = load_split(
        Path(plan.cohort) if plan.cohort else None,
        folder.virtual,
        preset=plan.preset,
        sizes=plan.split,
        by=plan.by,
        seed=plan.seed,
        progress=lambda done, total, name: on_line(f"virtual subject {done}/{total} {name}"),
    )
    folder.claim(
        plan
    )  # only now: a path that was mistyped shall not stand in the way of the right one
    write_split(folder.split, split)
    _introduce(split, on_line)
    done = prepare(
        split,
        preset.preparation,
        target,
        processes=processes or likely_processes(),
        on_step=lambda step: on_line(_line(step)),
    )
    on_line("draw one scan through the steps")
    draw_scans(folder, split, preset.preparation, done.prepared)
    return done.prepared


def _reporter(model: Network, on_line: OnLine) -> Callable[[TrainingProgress], None]:
    """A line for each validation, and now and then in between."""
    said = time.monotonic()

    def on_progress(moment: TrainingProgress) -> None:
        nonlocal said
        validation = moment.validation
        if validation is None and time.monotonic() - said < EVERY_S:
            return
        said = time.monotonic()
        if moment.finishing:
            done, of = moment.finishing
            on_line(f"train {model} finishing: training image {done} of {of}")
            return
        left = f", {minutes(moment.seconds_left)} left" if moment.seconds_left else ""
        loss = "" if moment.loss is None else f", loss {moment.loss:.3f}"
        dice = f", validation Dice {validation.validation_dice:.4f}" if validation else ""
        on_line(f"train {model} step {moment.step}, epoch {moment.epochs:.1f}{loss}{dice}{left}")

    return on_progress


def _introduce(split: Split, on_line: OnLine) -> None:
    counts = ", ".join(f"{count} {part}" for part, count in split.counts().items())
    on_line(f"{split.cohort.name}: {counts}, split by {split.by}")
    for sentence in (*split.cohort.warnings, *split.warnings):
        on_line(f"warning: {sentence}")


def _line(step: Step) -> str:
    if step.image is None:
        return f"prepare {step.total} images, {step.finished_before} of them finished before"
    failed = f" failed: {step.record.reason}" if isinstance(step.record, Failure) else ""
    left = f", {minutes(step.seconds_left)} left" if step.seconds_left else ""
    return f"prepare {step.done}/{step.total} {step.image.id}{failed}{left}"
