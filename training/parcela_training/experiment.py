"""The whole experiment as one call: prepare, train both networks, evaluate, report.

Every step goes on where it was when the call is repeated after a kill.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from parcela.errors import BadRequest
from parcela.weights.cards import MODELS, Model
from parcela_inference.scores import choose_device
from parcela_training.cohorts.split import Split, write_split
from parcela_training.evaluation.networks import Depth, evaluate_run
from parcela_training.experiment_folder import Plan, RunFolder
from parcela_training.preparation.chosen import chosen_split
from parcela_training.preparation.prepare import Failure, Step, likely_processes, prepare
from parcela_training.preparation.prepared import PreparedSet
from parcela_training.progress import Say, minutes
from parcela_training.report.gather import run_record
from parcela_training.report.run_pictures import draw_scans
from parcela_training.report.write import write_report
from parcela_training.training.budget import parse_budget
from parcela_training.training.presets import ExperimentPreset
from parcela_training.training.presets import experiment as experiment_preset
from parcela_training.training.train import Moment, train

EVERY_S = 20.0


def experiment(
    plan: Plan,
    folder: RunFolder,
    *,
    depth: Depth | None = None,
    processes: int | None = None,
    say: Say,
) -> dict[str, Path]:
    """Do what the thesis's chapters 3 and 4 did, from raw scans to tables and figures.

    Args:
        plan: what to do.
        folder: where everything lies; new, or of the same plan.
        depth: how much the evaluation measures.
        processes: images prepared at a time; None: as many as fit.
        say: called with each line of progress.

    Returns:
        The report's files: ``markdown``, ``html``, ``metrics``.

    Raises:
        BadRequest: the folder holds another experiment, or the plan does not fit the cohort.
        StepFailed: no image of some part could be prepared.
    """
    device = choose_device()
    preset = experiment_preset(plan.preset, device)
    budget = parse_budget(plan.budget) if plan.budget else None
    folder.check(plan)
    prepared = _prepare(plan, preset, folder, processes, say)
    for model in MODELS:
        settings = replace(preset.recipes[model], seed=plan.seed)
        say(f"train {model}: {budget or settings.budget}")
        train(
            settings,
            prepared,
            folder.network(model),
            budget=budget,
            device=device,
            on_progress=_teller(model, say),
        )
    evaluate_run(folder, depth or Depth(), say)
    return report(folder)


def report(folder: RunFolder) -> dict[str, Path]:
    """Write a run's record and its report from what lies in its folder.

    Raises:
        BadRequest: there is no experiment in it, or its images are not prepared yet.
    """
    record = run_record(folder)
    record.save(folder.record)
    return write_report(record, folder.path)


def _prepare(
    plan: Plan, preset: ExperimentPreset, folder: RunFolder, processes: int | None, say: Say
) -> PreparedSet:
    target = folder.prepared_of(plan)
    if plan.prepared and not plan.cohort:
        if plan.split:
            raise BadRequest("--prepared without a COHORT says which images: leave --split out")
        prepared = PreparedSet.read(target)
        folder.claim(plan)
        return prepared
    split = chosen_split(
        Path(plan.cohort) if plan.cohort else None,
        folder.virtual,
        preset=plan.preset,
        sizes=plan.split,
        by=plan.by,
        seed=plan.seed,
        progress=lambda done, total, name: say(f"virtual subject {done}/{total} {name}"),
    )
    folder.claim(
        plan
    )  # only now: a path that was mistyped shall not stand in the way of the right one
    write_split(folder.split, split)
    _introduce(split, say)
    done = prepare(
        split,
        preset.preparation,
        target,
        processes=processes or likely_processes(),
        on_step=lambda step: say(_line(step)),
    )
    say("draw one scan through the steps")
    draw_scans(folder, split, preset.preparation, done.prepared)
    return done.prepared


def _teller(model: Model, say: Say) -> Callable[[Moment], None]:
    """A line for each validation, and now and then in between."""
    said = time.monotonic()

    def tell(moment: Moment) -> None:
        nonlocal said
        found = moment.validation
        if found is None and time.monotonic() - said < EVERY_S:
            return
        said = time.monotonic()
        left = f", {minutes(moment.seconds_left)} left" if moment.seconds_left else ""
        loss = "" if moment.loss is None else f", loss {moment.loss:.3f}"
        dice = f", validation Dice {found.validation_dice:.4f}" if found else ""
        say(f"train {model} step {moment.step}, epoch {moment.epochs:.1f}{loss}{dice}{left}")

    return tell


def _introduce(split: Split, say: Say) -> None:
    counts = ", ".join(f"{count} {part}" for part, count in split.counts().items())
    say(f"{split.cohort.name}: {counts}, split by {split.by}")
    for sentence in (*split.cohort.warnings, *split.warnings):
        say(f"warning: {sentence}")


def _line(step: Step) -> str:
    if step.image is None:
        return f"prepare {step.total} images, {step.kept} of them finished before"
    failed = f" failed: {step.record.reason}" if isinstance(step.record, Failure) else ""
    left = f", {minutes(step.seconds_left)} left" if step.seconds_left else ""
    return f"prepare {step.done}/{step.total} {step.image.id}{failed}{left}"
