"""The report's figures in the thesis's order, drawn or read; what is missing says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from parcela_training.report.document import Picture
from parcela_training.report.pictures.catalogue import PREDICTIONS, PREPROCESSING
from parcela_training.report.plots import Which, draw_boxes, draw_curves
from parcela_training.report.record import ExperimentRecord
from parcela_training.thesis import WORST_REGIONS_MISSED

PNG = b"\x89PNG\r\n\x1a\n"


def preprocessing_figures(record: ExperimentRecord, run_folder: Path) -> list[Picture]:
    """Figures 3.1 to 3.12, from their files."""
    return _from_files(PREPROCESSING, record.pictures, run_folder)


def prediction_figures(record: ExperimentRecord, run_folder: Path) -> list[Picture]:
    """Figures 4.1 and 4.2, from their files."""
    return _from_files(PREDICTIONS, record.pictures, run_folder)


def _from_files(
    captions: Mapping[str, str], files: Mapping[str, Path], run_folder: Path
) -> list[Picture]:
    pictures = []
    for number, caption in captions.items():
        if number not in files:
            missing = "this run has no picture of it."
            pictures.append(Picture(number, caption, None, missing=missing))
            continue
        path = run_folder / files[number]
        png = path.read_bytes() if path.is_file() else b""
        whole = png if png.startswith(PNG) else None
        missing = f"{files[number]} is not a PNG file." if png else f"{files[number]} is not there."
        pictures.append(Picture(number, caption, whole, missing=missing))
    return pictures


def region_figures(record: ExperimentRecord) -> list[Picture]:
    """Figures 4.3 and 4.4: the box plots, of each network's first evaluation."""
    return [
        _boxes(
            record,
            "4.3",
            "best",
            "The thesis found the higher median, and more outliers, for HighResNet.",
        ),
        _boxes(
            record,
            "4.4",
            "worst",
            f"The thesis's HighResNet predicted nothing at all in {WORST_REGIONS_MISSED} of its "
            "five.",
        ),
    ]


def _boxes(record: ExperimentRecord, number: str, which: Which, thesis: str) -> Picture:
    evaluated = [(run.title, run.evaluations[0]) for run in record.all_networks if run.evaluations]
    return Picture(
        number,
        f"Dice of the five {which} regions",
        draw_boxes(evaluated, which) if evaluated else None,
        "Box: quartiles and median; whiskers: the last image within 1.5 times the box; circles: "
        f"images beyond. An image whose label lacks the region is left out. {thesis}",
        "no network of this run was evaluated.",
    )


def curves(record: ExperimentRecord) -> Picture:
    """Figure A.1: the training curves."""
    runs = [run for run in record.all_networks if run.curve]
    return Picture(
        "A.1",
        "Training and validation loss",
        draw_curves(runs) if runs else None,
        missing="this run has no training curve.",
    )
