"""Every way to label a prepared image that the accuracy table compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.opening import open_labels
from parcela.options import BOTH, NETWORKS
from parcela.settings import settings
from parcela.weights.cards import read_card
from parcela_benchmarks.volumes import region_mm3
from parcela_inference.block_scores import BlockScores
from parcela_inference.scores import class_scores
from parcela_labelling.register import Method
from parcela_training.evaluation.registrations import SEEDS, registered
from parcela_training.journal import Row
from parcela_training.jsonable import to_jsonable
from parcela_training.metrics.measures import dice
from parcela_training.preparation.prepared_set import PreparedImage

Labels = NDArray[np.uint8]

DIGITS = 5  # of a Dice in the journals


@dataclass(frozen=True, slots=True)
class MethodGroup:
    """Methods that are run together, since one gives the other.

    Attributes:
        name: of the file that keeps the rows.
        titles: of each method, by its key in a row.
        run: a prepared image to a row: by method the Dice against opened and unopened labels, the
            seconds, and the regions' volumes, opened, in the map and in the label.
        images: how many images of the part it is run on; None: all.
        made_from: what decides the rows.
    """

    name: str
    titles: Mapping[str, str]
    run: Callable[[PreparedImage], Row]
    images: int | None
    made_from: Mapping[str, Any]


def method_groups(repeats: int) -> tuple[MethodGroup, ...]:
    """All methods, the cheap ones first; SyN against itself on so many images."""
    ants = {"itk_threads": settings().itk_threads}
    weights: dict[str, Any] = {model: read_card(model).sha256 for model in NETWORKS}
    titles = {
        "unet": "U-Net",
        "highresnet": "HighResNet",
        "both": "both of these, scores averaged",
        "warp": "the network that registers",
    }
    affine, quick = "Affine", "antsRegistrationSyNQuick[s]"
    return (
        MethodGroup("affine", {affine: "affine registration of AAL"}, _one("Affine"), None, ants),
        MethodGroup(
            "quick", {quick: "SyN, quick variant"}, _one("antsRegistrationSyNQuick[s]"), None, ants
        ),
        MethodGroup("networks", titles, networks, None, weights),
        MethodGroup("repeat", {"repeat": "SyN against itself, two seeds"}, repeat, repeats, ants),
    )


def _one(method: Method) -> Callable[[PreparedImage], Row]:
    """Opened labels are compared with opened ones, unopened with unopened: like with like."""

    def run(subject: PreparedImage) -> Row:
        begun = time.perf_counter()
        raw_labels = registered(subject, method=method)
        seconds = time.perf_counter() - begun
        return {method: _agreement(open_labels(raw_labels), raw_labels, subject, seconds)}

    return run


def repeat(subject: PreparedImage) -> Row:
    """SyN from one seed against SyN from another, on the same image."""
    begun = time.perf_counter()
    one, other = (registered(subject, seed=seed) for seed in SEEDS)
    seconds = (time.perf_counter() - begun) / len(SEEDS)
    first = PreparedImage(subject.image, open_labels(other), other, subject.affine)
    return {"repeat": _agreement(open_labels(one), one, first, seconds)}


def networks(subject: PreparedImage) -> Row:
    """The networks as they ship, and the arg-max of the averaged scores of the thesis's two."""
    image = subject.image.astype(np.float32)
    row: dict[str, Row] = {}
    scores: dict[str, BlockScores] = {}
    for model in NETWORKS:
        begun = time.perf_counter()
        scores[model] = class_scores(image, model)
        _, labels = scores[model].highest()
        row[model] = _agreement(labels, labels, subject, time.perf_counter() - begun)
    begun = time.perf_counter()
    _, labels = BlockScores.mean([scores[model] for model in BOTH]).highest()
    seconds = time.perf_counter() - begun + sum(row[model]["seconds"] for model in BOTH)
    return row | {"both": _agreement(labels, labels, subject, seconds)}


def _agreement(labels: Labels, raw_labels: Labels, subject: PreparedImage, seconds: float) -> Row:
    return {
        "opened": to_jsonable(dice(labels, subject.label), DIGITS),
        "unopened": to_jsonable(dice(raw_labels, subject.registered), DIGITS),
        "seconds": round(seconds, 2),
        "mm3": [
            to_jsonable(region_mm3(each, subject.affine), 1) for each in (labels, subject.label)
        ],
    }
