"""A run's report in three files: for reading, for looking, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from parcela.bundle.page import render_page
from parcela.files import atomic_file, write_text
from parcela_training.report.document import (
    Block,
    Bullets,
    Document,
    Heading,
    Paragraph,
    Picture,
)
from parcela_training.report.figures import (
    curves,
    prediction_figures,
    preprocessing_figures,
    region_figures,
)
from parcela_training.report.further_tables import further_tables
from parcela_training.report.markdown import to_markdown
from parcela_training.report.metrics import to_metrics
from parcela_training.report.record import ExperimentRecord, NetworkRecord, SplitCounts
from parcela_training.report.tables import intervals, mean_dice, times, training
from parcela_training.thesis import TEST_IMAGES, TRAIN_IMAGES, VALIDATION_IMAGES

PICTURES = "report-figures"
THESIS = f"{TRAIN_IMAGES}, {VALIDATION_IMAGES}, {TEST_IMAGES}"
BY = {"subject": "by subject", "image": "by image", "column": "by the cohort's own column"}


def write_report(record: ExperimentRecord, folder: Path) -> dict[str, Path]:
    """Write ``report.md`` (its pictures in ``report-figures/``), ``report.html``, ``metrics.json``.

    Args:
        record: the run.
        folder: the run's folder; made where it is not there. The record's pictures lie in it.

    Returns:
        The three files: ``markdown``, ``html``, ``metrics``.

    Raises:
        OSError: a file cannot be read or written.
    """
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    document = to_document(record, folder)
    for block in document:
        if isinstance(block, Picture) and block.png:
            with atomic_file(folder / PICTURES / block.file) as stream:
                stream.write(block.png)
    texts = {
        "markdown": ("report.md", to_markdown(document, PICTURES)),
        "html": ("report.html", _page(document, title(record))),
        "metrics": ("metrics.json", to_metrics(record)),
    }
    for name, text in texts.values():
        write_text(folder / name, text)
    return {kind: folder / name for kind, (name, _) in texts.items()}


def _page(document: Document, title: str) -> str:
    """``report.html``: no script, nothing loaded from anywhere."""
    return render_page("parcela_training.report", "experiment.html", document=document, title=title)


def title(record: ExperimentRecord) -> str:
    """The title of the whole report."""
    return f"Experiment, preset {record.preset}"


def to_document(record: ExperimentRecord, run_folder: Path) -> Document:
    """The report's blocks, in the order of the thesis's chapters."""
    blocks: list[Block] = [
        Heading(title(record), 1),
        Paragraph("The thesis's values stand beside this run's. What is missing says so."),
        *([Bullets(record.remarks)] if record.remarks else []),
        Heading("The run"),
        Bullets(_facts(record)),
        Heading("Preprocessing and labels"),
        *preprocessing_figures(record, run_folder),
        Heading("Training"),
        Bullets(tuple(_settings(run) for run in record.all_networks) or ("No network.",)),
        training(record),
        curves(record),
        Heading("Evaluation"),
        mean_dice(record),
        intervals(record),
        times(record),
        *prediction_figures(record, run_folder),
        *region_figures(record),
        Heading("Further"),
        *further_tables(record),
    ]
    return blocks


def _facts(record: ExperimentRecord) -> tuple[str, ...]:
    return (
        f"Cohort: {record.cohort}",
        f"Split: {_split(record.split)}",
        f"Hardware: {record.hardware}",
        f"Versions: {_listed(record.versions)}",
        f"Seeds: {_listed(record.seeds)}",
    )


def _split(split: SplitCounts) -> str:
    counts = f"{split.train} training, {split.validation} validation, {split.test} test images"
    subjects = "" if split.subjects is None else f" of {split.subjects} subjects"
    leaks = split.leaking_subjects
    warning = (
        f"; {leaks} subjects have scans in more than one part, which flatters" if leaks else ""
    )
    return f"{counts}{subjects}, divided {BY[split.by]}{warning}. Thesis: {THESIS} images."


def _settings(run: NetworkRecord) -> str:
    return f"{run.title}, variant {run.variant}: {_listed(run.settings)}"


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "not recorded"
