"""The network runs that the quality verdict is calibrated on: each kept as soon as it is done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.files import atomic_file
from parcela.imaging.geometry import Affine
from parcela.imaging.volume import read_volume
from parcela_benchmarks.spoil import HEAD, SPOILT, Image, Spoilt
from parcela_inference.scores import class_scores
from parcela_training.cohorts.cohort import Cohort
from parcela_training.options import Part
from parcela_training.preparation.imported import read_mask
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet

GOOD = "good"


@dataclass(frozen=True, slots=True)
class Case:
    """One map to judge: a subject as it is, or spoilt in one way."""

    subject: str
    part: Part
    kind: str = GOOD
    way: str = ""

    @property
    def file(self) -> str:
        """A name of its own for the run's file."""
        return re.sub(r"\W+", "-", f"{self.part}_{self.kind}_{self.way}_{self.subject}") + ".npz"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What the U-Net made of one case.

    Attributes:
        image: (I, J, K) float32, as the network saw it.
        labels: (I, J, K) uint8.
        certainty: (I, J, K), the largest softmax score in 255ths.
        affine, moved: as ``Spoilt`` has them.
        warnings: of the preprocessing.
    """

    image: Image
    labels: NDArray[np.uint8]
    certainty: NDArray[np.uint8]
    affine: Affine
    moved: Affine = field(default_factory=lambda: np.eye(4))
    warnings: tuple[str, ...] = ()

    @property
    def mean_certainty(self) -> float:
        """Over the brain."""
        return float(self.certainty[self.image > 0].mean()) / 255

    def save(self, path: Path) -> None:
        """Write one compressed file, complete or not at all."""
        with atomic_file(path) as stream:
            np.savez_compressed(
                stream,
                image=self.image.astype(np.float16),
                labels=self.labels,
                certainty=self.certainty,
                affine=self.affine,
                moved=self.moved,
                warnings=np.array(json.dumps(self.warnings)),
            )

    @staticmethod
    def load(path: Path) -> Run:
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            return Run(
                stored["image"].astype(np.float32),
                stored["labels"],
                stored["certainty"],
                stored["affine"],
                stored["moved"],
                tuple(json.loads(str(stored["warnings"]))),
            )


def cases(prepared: PreparedSet, second: int) -> Iterator[Case]:
    """Good maps of validation and test; each way to spoil on one test subject, the first ``second`` on another too."""
    test = prepared.ids("test")
    heads = [name for name in test if prepared.datasets[name].startswith("IXI")]
    ways = list(SPOILT)

    def spoilt(number: int, turn: int) -> Case:
        kind, way = ways[number]
        subjects = heads if kind in HEAD else test
        return Case(subjects[(2 * number + turn) % len(subjects)], "test", kind, way)

    validation = [Case(name, "val") for name in prepared.ids("val")]
    yield from validation[:10]
    yield from (spoilt(number, 0) for number in range(len(ways)))
    yield from validation[10:]
    yield from (Case(name, "test") for name in test)
    yield from (spoilt(number, 1) for number in range(min(second, len(ways))))


def run_case(case: Case, prepared: PreparedSet, cohort: Cohort) -> Run:
    """Spoil, and let the U-Net as it ships label what is left."""
    file = dict(zip(prepared.ids(case.part), prepared.files(case.part), strict=True))[case.subject]
    image = PreparedImage.load(file)
    given = Spoilt(image.image.astype(np.float32), image.affine, np.eye(4))
    if case.kind != GOOD:
        entry = next(one for one in cohort.images if one.id == case.subject)
        scan = read_volume(entry.path)
        mask = read_mask(entry.mask, scan) if entry.mask else (scan.data > 0).astype(np.uint8)
        given = SPOILT[case.kind, case.way](image, scan, mask)
    certainty, labels = class_scores(given.image, "unet").highest()
    return Run(
        given.image,
        labels,
        np.rint(certainty * 255).astype(np.uint8),
        given.affine,
        given.moved,
        given.warnings,
    )
