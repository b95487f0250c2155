"""Every way to label a prepared image that the accuracy table compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from parcela.settings import settings
from parcela.weights.cards import MODELS, read_card
from parcela_benchmarks.volumes import region_mm3
from parcela_inference.scores import class_scores
from parcela_labelling.opening import open_labels
from parcela_labelling.register import Method
from parcela_training.evaluation.registrations import SEEDS, registered
from parcela_training.journal import Row
from parcela_training.metrics.measures import dice
from parcela_training.preparation.prepared import Prepared

Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Family:
    """Methods that are run together, since one gives the other.

    Attributes:
        name: of the file that keeps what is found.
        titles: of each method, by its key in a row.
        run: a prepared image to a row: by method the Dice against opened and unopened labels, the
            seconds, and the regions' volumes, opened, in the map and in the label.
        images: how many images of the part it is run on; None: all.
        made_from: what decides the rows.
    """

    name: str
    titles: Mapping[str, str]
    run: Callable[[Prepared], Row]
    images: int | None
    made_from: Mapping[str, Any]


def families(repeats: int) -> tuple[Family, ...]:
    """All methods, the cheap ones first; SyN against itself on so many images."""
    ants = {"itk_threads": settings().itk_threads}
    weights: dict[str, Any] = {model: read_card(model).sha256 for model in MODELS}
    titles = {"unet": "U-Net", "highresnet": "HighResNet", "both": "both networks, scores averaged"}
    affine, quick = "Affine", "antsRegistrationSyNQuick[s]"
    return (
        Family("affine", {affine: "affine registration of AAL"}, _one("Affine"), None, ants),
        Family(
            "quick", {quick: "SyN, quick variant"}, _one("antsRegistrationSyNQuick[s]"), None, ants
        ),
        Family("networks", titles, networks, None, weights),
        Family("repeat", {"repeat": "SyN against itself, two seeds"}, repeat, repeats, ants),
    )


def _one(method: Method) -> Callable[[Prepared], Row]:
    """Opened labels are compared with opened ones, unopened with unopened: like with like."""

    def run(subject: Prepared) -> Row:
        begun = time.perf_counter()
        found = registered(subject, method=method)
        seconds = time.perf_counter() - begun
        return {method: _agreement(open_labels(found), found, subject, seconds)}

    return run


def repeat(subject: Prepared) -> Row:
    """SyN from one seed against SyN from another, on the same image."""
    begun = time.perf_counter()
    one, other = (registered(subject, seed=seed) for seed in SEEDS)
    seconds = (time.perf_counter() - begun) / len(SEEDS)
    first = Prepared(subject.image, open_labels(other), other, subject.affine)
    return {"repeat": _agreement(open_labels(one), one, first, seconds)}


def networks(subject: Prepared) -> Row:
    """Both networks as they ship, and the arg-max of their averaged scores."""
    image = subject.image.astype(np.float32)
    found: Row = {}
    total, elapsed = torch.zeros((), dtype=torch.float16), 0.0
    for model in MODELS:
        begun = time.perf_counter()
        scores = class_scores(image, model)
        labels = _hard(scores)
        seconds = time.perf_counter() - begun
        elapsed += seconds
        found[model] = _agreement(labels, labels, subject, seconds)
        total = scores.mul_(1 / len(MODELS)).add_(total)
    both = _hard(total)
    return found | {"both": _agreement(both, both, subject, elapsed)}


def _hard(scores: torch.Tensor) -> Labels:
    labels: Labels = scores.argmax(-1).to(torch.uint8).numpy()
    return labels


def _agreement(opened: Labels, unopened: Labels, subject: Prepared, seconds: float) -> Row:
    return {
        "opened": plain(dice(opened, subject.label)),
        "unopened": plain(dice(unopened, subject.registered)),
        "seconds": round(seconds, 2),
        "mm3": [
            [round(value, 1) for value in region_mm3(labels, subject.affine).tolist()]
            for labels in (opened, subject.label)
        ],
    }


def plain(values: NDArray[np.float64]) -> list[float | None]:
    """For JSON: to five digits, None for NaN."""
    return [None if np.isnan(value) else round(float(value), 5) for value in values]
