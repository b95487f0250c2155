"""The figures of a run that show scans: one through the nine steps with its label, and the networks' predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parcela.imaging.volume import read_volume
from parcela.options import Network
from parcela_training.cohorts.cohort import Image
from parcela_training.cohorts.split import Split
from parcela_training.experiment_folder import ExperimentFolder
from parcela_training.metrics.measures import dice, image_mean
from parcela_training.preparation.imported import read_mask
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.preparation.settings import Preparation
from parcela_training.report.pictures.catalogue import PREDICTION_FIGURES, PREPROCESSING
from parcela_training.report.pictures.labels import draw_label, draw_prediction
from parcela_training.report.pictures.preprocessing import draw_preprocessing
from parcela_training.report.pictures.slices import Scan
from parcela_training.report.pictures.step_volumes import step_volumes


def draw_scans(
    folder: ExperimentFolder, split: Split, how: Preparation, prepared: PreparedSet
) -> None:
    """Draw the figures of one test image that are not there yet.

    A whole head is taken where there is one, so that its stripping can be seen.

    Raises:
        BadScan: the scan cannot be read any more. StepFailed: a step crashed.
    """
    if all(folder.figure(number).exists() for number in PREPROCESSING):
        return
    image = _shown(split, prepared)
    scan = read_volume(image.path)
    mask = read_mask(image.mask, scan) if how.imports and image.mask else None
    received, steps, last = step_volumes(
        scan, mask, preset=how.chain, shape=how.shape, skull_strip=how.skull_strip
    )
    folder.save_figures(draw_preprocessing(received, steps, last))
    subject = _subject(prepared, image.id)
    folder.save_figures(draw_label(_scan(subject), subject.label))


def draw_predictions(folder: ExperimentFolder, prepared: PreparedSet) -> None:
    """Draw Figures 4.1 and 4.2 from the label maps that evaluation kept; not again while these are the same."""
    for model in folder.models:
        file, figure = folder.prediction(model), folder.figure(PREDICTION_FIGURES[model])
        if file.exists() and not (
            figure.exists() and figure.stat().st_mtime_ns > file.stat().st_mtime_ns
        ):
            folder.save_figures(_prediction(prepared, model, file))


def _prediction(prepared: PreparedSet, model: Network, file: Path) -> dict[str, bytes]:
    with np.load(file) as stored:
        name, predicted = str(stored["image"]), stored["labels"]
    subject = _subject(prepared, name)
    mean = float(image_mean(dice(predicted, subject.label)))
    return draw_prediction(_scan(subject), subject.label, predicted, model, mean)


def _subject(prepared: PreparedSet, name: str) -> PreparedImage:
    files = dict(zip(prepared.ids("test"), prepared.files("test"), strict=True))
    return PreparedImage.load(files[name])


def _scan(subject: PreparedImage) -> Scan:
    return Scan(subject.image.astype(np.float32), np.asarray(subject.affine, np.float64))


def _shown(split: Split, prepared: PreparedSet) -> Image:
    ready = set(prepared.ids("test"))
    images = [image for image in split.images("test") if image.id in ready]
    return next((image for image in images if image.mask), images[0])
