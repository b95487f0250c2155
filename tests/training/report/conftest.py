"""Made-up runs: nothing here was measured, and the names say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parcela.atlas.aal import CLASS_COUNT
from parcela.options import Network
from parcela_training.evaluation.record import Evaluation, RegistrationRecord
from parcela_training.report.record import (
    Epoch,
    ExperimentRecord,
    NetworkRecord,
    SplitCounts,
)

IMAGES = 12
DEAD = 110  # the made-up HighResNet never finds this region


def made_up_evaluation(network: Network, reference: str, seed: int) -> Evaluation:
    """12 images of two data sets; region 36 is absent from one label, the background is at 0.99."""
    draw = np.random.default_rng(seed)
    levels = np.linspace(0.55, 0.92, CLASS_COUNT)
    dice = np.clip(levels + draw.normal(0, 0.05, (IMAGES, CLASS_COUNT)), 0, 1)
    dice[:, 0] = 0.99
    dice[3, 36] = np.nan
    if network == "highresnet":
        dice[:, DEAD] = 0
    return Evaluation(
        network,
        reference,
        tuple(f"made-up-{k:02}" for k in range(IMAGES)),
        ("made-up A",) * 7 + ("made-up B",) * 5,
        dice,
        draw.normal(2.5 if network == "unet" else 5, 0.2, IMAGES),
        monai_seconds=np.array([12.0, 14.0, *[np.nan] * (IMAGES - 2)]),
    )


def made_up_network(network: Network, seed: int) -> NetworkRecord:
    epochs = np.arange(1, 25)
    return NetworkRecord(
        network,
        "thesis",
        training_hours=0.5,
        epochs_reached=24,
        epochs_planned=150,
        training_images=40,
        settings={"learning rate": 0.001, "batch size": 2},
        curve=tuple(
            Epoch(
                int(k), float(0.2 + np.exp(-k / 6)), float(0.25 + np.exp(-k / 7)) if k % 2 else None
            )
            for k in epochs
        ),
        evaluations=(
            made_up_evaluation(network, "opened", seed),
            made_up_evaluation(network, "unopened", seed + 1),
        ),
    )


@pytest.fixture
def record() -> ExperimentRecord:
    """A whole made-up run, but for its pictures of scans."""
    return ExperimentRecord(
        preset="thesis",
        cohort="made-up <cohort> of a test | nothing was measured",
        split=SplitCounts(40, 6, IMAGES, "image", subjects=50, leaking_subjects=3),
        hardware="made-up hardware",
        versions={"parcela": "0.0.test"},
        seeds={"split": 1, "training": 2},
        networks=(made_up_network("highresnet", 1), made_up_network("unet", 3)),
        registration=RegistrationRecord((20.0, 24.0, 28.0), "made-up host", (0.985, 0.987)),
        remarks=("Every number is made up.",),
    )


@pytest.fixture
def empty() -> ExperimentRecord:
    """A run that trained nothing."""
    split = SplitCounts(0, 0, 0, "subject")
    return ExperimentRecord("demo", "none", split, "none", {}, {}, ())


@pytest.fixture
def png(tmp_path: Path) -> Path:
    """The smallest picture, in the run's folder."""
    from matplotlib.image import imsave

    imsave(tmp_path / "step.png", np.zeros((2, 2)))
    return tmp_path / "step.png"
