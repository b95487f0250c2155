"""Atlas registration beside the networks: how long it takes, and how far it agrees with itself."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.trail import GeometryTrail
from parcela.settings import settings
from parcela_labelling.register import Method, register
from parcela_training.evaluation.measuring import Measurement, measure
from parcela_training.evaluation.record import RegistrationRecord
from parcela_training.hardware import hardware
from parcela_training.journal import Row
from parcela_training.metrics.measures import dice, image_mean
from parcela_training.options import Part
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.progress import OnItem

SEEDS = (1, 2)  # 1 is the one that every label is made with


def measure_registrations(
    prepared: PreparedSet,
    part: Part,
    journal: Path,
    *,
    timed: int,
    repeated: int,
    on_item: OnItem | None = None,
) -> RegistrationRecord | None:
    """Register the atlas to the first images of a part, some of them twice with different seeds.

    Args:
        prepared: the images.
        part: ``test``, ``val`` or ``train``.
        journal: the file of JSON lines that keeps the rows.
        timed: how many images are registered at least once.
        repeated: how many are registered twice.
        on_item: called after each image.

    Returns:
        Seconds, and the mean Dice between the two runs' labels before any opening; None where nothing was asked for.

    Raises:
        StepFailed: ANTs could not register an image.
    """
    names = prepared.ids(part)[: max(timed, repeated)]
    files = prepared.files(part)[: len(names)]
    rows = measure(
        [
            _measurement(name, file, twice=place < repeated)
            for place, (name, file) in enumerate(zip(names, files, strict=True))
        ],
        journal,
        {"part": part, "method": "SyN", "itk_threads": settings().itk_threads},
        describe=lambda row: f"{row['name']} registered in {row['seconds'][0]} s",
        on_item=on_item,
    )
    seconds = tuple(value for row in rows for value in row["seconds"])
    repeats = tuple(row["repeat_dice"] for row in rows if row["repeat_dice"] is not None)
    return RegistrationRecord(seconds, hardware("cpu"), repeats) if rows else None


def _measurement(name: str, file: Path, *, twice: bool) -> Measurement:
    return Measurement(
        name,
        lambda: _row(PreparedImage.load(file), twice),
        suffices=lambda row: not twice or row["repeat_dice"] is not None,
    )


def _row(subject: PreparedImage, twice: bool) -> Row:
    maps, seconds = [], []
    for seed in SEEDS[: 1 + twice]:
        started = time.perf_counter()
        maps.append(registered(subject, seed=seed))
        seconds.append(round(time.perf_counter() - started, 2))
    repeat = float(image_mean(dice(*maps))) if twice else None
    return {"seconds": seconds, "repeat_dice": repeat}


def registered(
    subject: PreparedImage, *, method: Method = "SyN", seed: int = SEEDS[0]
) -> NDArray[np.uint8]:
    """AAL registered to a prepared image, (I, J, K), before any opening. Raises StepFailed."""
    i, j, k = subject.image.shape
    affine = np.asarray(subject.affine, np.float64)
    trail = GeometryTrail.unmoved((i, j, k), affine)
    return register(subject.image.astype(np.float32), trail, method=method, seed=seed).labels
