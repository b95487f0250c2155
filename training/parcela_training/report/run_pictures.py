"""Figures 3.1 to 3.12 of a run: one of its scans through the nine steps, and its label."""

from __future__ import annotations

import numpy as np

from parcela.imaging.volume import read_volume
from parcela_training.cohorts.cohort import Image
from parcela_training.cohorts.split import Split
from parcela_training.experiment_folder import RunFolder
from parcela_training.preparation.imported import read_mask
from parcela_training.preparation.prepared import Prepared, PreparedSet
from parcela_training.preparation.settings import Preparation
from parcela_training.report.pictures.catalogue import PREPROCESSING
from parcela_training.report.pictures.labels import draw_label
from parcela_training.report.pictures.preprocessing import draw_preprocessing
from parcela_training.report.pictures.slices import Scan
from parcela_training.report.pictures.step_volumes import step_volumes


def draw_scans(folder: RunFolder, split: Split, how: Preparation, prepared: PreparedSet) -> None:
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
    file = dict(zip(prepared.ids("test"), prepared.files("test"), strict=True))[image.id]
    subject = Prepared.load(file)
    drawn = Scan(subject.image.astype(np.float32), np.asarray(subject.affine, np.float64))
    folder.save_figures(draw_label(drawn, subject.label))


def _shown(split: Split, prepared: PreparedSet) -> Image:
    ready = set(prepared.ids("test"))
    images = [image for image in split.images("test") if image.id in ready]
    return next((image for image in images if image.mask), images[0])
