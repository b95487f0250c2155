"""The network runs that the quality verdict is calibrated on: each kept as soon as it is done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from parcela.files import atomic_file
from parcela.imaging.geometry import Affine
from parcela.imaging.volume import read_volume
from parcela.options import Network
from parcela_benchmarks.spoil import HEAD, SPOILT, Image, Spoilt
from parcela_inference.parcellate import parcellate
from parcela_training.cohorts.cohort import Cohort
from parcela_training.evaluation.engine import unmoved
from parcela_training.options import Part
from parcela_training.preparation.imported import read_mask
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet

GOOD = "good"
JUDGED: tuple[Network, ...] = ("unet", "warp")  # by their certainty too


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
    """What the networks made of one case.

    Attributes:
        image: (I, J, K) float32, as they saw it.
        maps: (I, J, K) uint8, by network.
        certainty: by network.
        bent_mm: by the network that registers.
        affine, moved: as ``Spoilt`` has them.
        warnings: of the preprocessing.
    """

    image: Image
    maps: Mapping[str, NDArray[np.uint8]]
    certainty: Mapping[str, float]
    bent_mm: float
    affine: Affine
    moved: Affine = field(default_factory=lambda: np.eye(4))
    warnings: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write one compressed file, complete or not at all."""
        with atomic_file(path) as stream:
            np.savez_compressed(
                stream,
                image=self.image.astype(np.float16),
                affine=self.affine,
                moved=self.moved,
                certainty=np.array([self.certainty[network] for network in JUDGED]),
                bent_mm=np.array(self.bent_mm),
                warnings=np.array(json.dumps(self.warnings)),
                maps=np.stack([self.maps[network] for network in JUDGED]),
            )

    @staticmethod
    def load(path: Path) -> Run:
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            return Run(
                stored["image"].astype(np.float32),
                dict(zip(JUDGED, stored["maps"], strict=True)),
                dict(zip(JUDGED, stored["certainty"].tolist(), strict=True)),
                float(stored["bent_mm"]),
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
    """Spoil, and let the networks as they ship label what is left."""
    file = dict(zip(prepared.ids(case.part), prepared.files(case.part), strict=True))[case.subject]
    image = PreparedImage.load(file)
    given = Spoilt(image.image.astype(np.float32), image.affine, np.eye(4))
    if case.kind != GOOD:
        entry = next(one for one in cohort.images if one.id == case.subject)
        scan = read_volume(entry.path)
        mask = read_mask(entry.mask, scan) if entry.mask else (scan.data > 0).astype(np.uint8)
        given = SPOILT[case.kind, case.way](image, scan, mask)
    every = {
        network: parcellate(given.image, unmoved(given.image), model=network, space="model")
        for network in JUDGED
    }
    return Run(
        given.image,
        {network: done.labels for network, done in every.items()},
        {network: done.certainty[network] for network, done in every.items()},
        cast(float, every["warp"].bent_mm),
        given.affine,
        given.moved,
        given.warnings,
    )
