"""The record of one experiment, gathered from its folder: what the report says and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import get_args

from parcela.options import BOTH, Network
from parcela.weights.cards import read_card
from parcela_training.cohorts.cohort import PARTS, listed
from parcela_training.cohorts.split import By
from parcela_training.evaluation.networks import SHIPPED, read_registration
from parcela_training.evaluation.record import REFERENCES, Evaluation
from parcela_training.experiment_folder import ExperimentFolder, Plan
from parcela_training.hardware import hardware, training_device, versions
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.report.pictures.catalogue import PREDICTIONS, PREPROCESSING
from parcela_training.report.record import Epoch, ExperimentRecord, NetworkRecord, SplitCounts
from parcela_training.thesis import PUBLISHED
from parcela_training.training.recipe import scalars
from parcela_training.training.record import RECORD, TrainingRecord

VIRTUAL = "virtual"
PART = "test"  # what the report speaks of


def gather_record(folder: ExperimentFolder) -> ExperimentRecord:
    """Everything that an experiment's folder holds so far.

    Raises:
        BadRequest: there is no experiment in it, or its images are not prepared yet.
    """
    plan = folder.plan()
    prepared = PreparedSet.read(folder.prepared_of(plan))
    trained = {
        model: TrainingRecord.read(folder.network(model))
        for model in folder.models
        if (folder.network(model) / RECORD).exists()
    }
    return ExperimentRecord(
        preset=plan.preset,
        cohort=_cohort(prepared),
        split=_split(prepared),
        hardware=hardware(training_device()),
        versions=versions(),
        seeds={"experiment": plan.seed, "registration": 1},
        networks=tuple(_trained(folder, model, run) for model, run in trained.items()),
        beside=tuple(
            _shipped(folder, model) for model in BOTH if _evaluations(folder, SHIPPED + model)
        ),
        registration=read_registration(folder, prepared),
        pictures={
            number: folder.figure(number).relative_to(folder.path)
            for number in (*PREPROCESSING, *PREDICTIONS)
            if folder.figure(number).exists()
        },
        remarks=tuple(_remarks(plan, prepared, trained)),
    )


def _trained(folder: ExperimentFolder, model: Network, run: TrainingRecord) -> NetworkRecord:
    return NetworkRecord(
        network=model,
        variant=run.recipe.variant,
        training_hours=run.hours,
        epochs_reached=run.epochs,
        epochs_planned=run.recipe.budget.epochs,
        training_images=run.training_images,
        settings=scalars(run.recipe),
        curve=tuple(Epoch(p.epoch, p.train_loss, p.validation_loss) for p in run.curve),
        evaluations=_evaluations(folder, model),
    )


def _shipped(folder: ExperimentFolder, model: Network) -> NetworkRecord:
    card = read_card(model)
    training = card.record.get("training", {})
    return NetworkRecord(
        network=model,
        variant=card.variant,
        origin="shipped weights",
        training_hours=training.get("hours"),
        epochs_reached=training.get("epochs"),
        training_images=training.get("images"),
        settings={"SHA-256": card.sha256, "steps": training.get("steps", 0)},
        evaluations=_evaluations(folder, SHIPPED + model),
    )


def _evaluations(folder: ExperimentFolder, name: str) -> tuple[Evaluation, ...]:
    files = [folder.evaluation(f"{name}-{PART}-{reference}.json") for reference in REFERENCES]
    return tuple(Evaluation.load(file) for file in files if file.exists())


def _cohort(prepared: PreparedSet) -> str:
    counts = Counter(row["dataset"] for row in prepared.rows)
    listed = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
    return (
        f"{prepared.record['cohort']} ({listed})" if len(counts) > 1 else prepared.record["cohort"]
    )


def _split(prepared: PreparedSet) -> SplitCounts:
    where: dict[str, set[str]] = {}
    for row in prepared.rows:
        where.setdefault(row["subject"], set()).add(row["split"])
    train, val, test = (len(prepared.files(part)) for part in PARTS)
    by = prepared.record["split_by"]
    return SplitCounts(
        train,
        val,
        test,
        by=by if by in get_args(By) else "column",
        subjects=len(where),
        leaking_subjects=sum(len(parts) > 1 for parts in where.values()),
    )


def _remarks(
    plan: Plan, prepared: PreparedSet, trained: Mapping[Network, TrainingRecord]
) -> list[str]:
    labels = Counter(row["label_from"] for row in prepared.rows)
    masks = Counter(row["mask_from"] for row in prepared.rows)
    used = sum(len(prepared.files(part)) for part in PARTS)
    remarks = [f"Labels: {_counted(labels)}. Brain masks: {_counted(masks)}. {_nature(prepared)}"]
    if prepared.preset != plan.preset:
        remarks.append(f"The images are prepared as the preset {prepared.preset} does it.")
    if plan.budget:
        remarks.append(f"The training of each network was cut to {plan.budget}.")
    if left_out := len(prepared.rows) - used:
        remarks.append(
            f"{left_out} images are left out since the automatic check calls their labels failed."
        )
    if failed := prepared.record.get("failed"):
        remarks.append(
            f"{failed} images could not be prepared; failures.tsv beside the prepared images says why."
        )
    if stopped := [PUBLISHED[model].title for model, run in trained.items() if run.stopped_early]:
        remarks.append(f"Stopped early, the validation loss no longer falling: {listed(stopped)}.")
    if missing := [PUBLISHED[model].title for model in BOTH if model not in trained]:
        remarks.append(f"Not trained to the end yet: {listed(missing)}.")
    return remarks + [
        f"{sentence[0].upper()}{sentence[1:]}." for sentence in prepared.record.get("warnings", [])
    ]


def _nature(prepared: PreparedSet) -> str:
    if set(prepared.datasets.values()) == {VIRTUAL}:
        return "The labels are exact: these brains were made from the atlas, and no real one is like them."
    return "The labels are AAL carried over by registration, drawn by nobody: every Dice is agreement with them."


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
