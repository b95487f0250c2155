"""Is this map to be trusted? A verdict with its reasons, from numbers that are measured on every map."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Literal

import numpy as np

from parcela.quality.grade import Bound, Grade, Judgement, Level
from parcela.quality.reference import reference

GRADE_OF: Mapping[Level, Grade] = {
    "good": "ok",
    "unmeasured": "ok",  # sides where no pair is whole: other numbers tell
    "mild": "look",
    "grave": "doubtful",
}
GRADES: tuple[Grade, ...] = ("doubtful", "look", "ok")
FAR_BELOW = (5.0, 12.0)  # standard deviations under a network's usual certainty: look, doubtful
DIGITS = 5


def _bounds() -> Iterator[Bound]:
    """The table that the page reads too. Beyond `look` a number is mildly wrong, beyond `doubtful` gravely."""
    with files(__package__).joinpath("data/bounds.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            sense: Literal[1, -1] = 1 if row["sense"] == "1" else -1
            yield Bound(
                row["number"], float(row["look"]), float(row["doubtful"]), sense, row["words"]
            )


# Each from the 150 training and 25 validation images, with room; docs/quality.md has the spreads.
BOUNDS = tuple(_bounds())


class Quality(Judgement):
    """The verdict on one map, and what it rests on.

    Attributes:
        numbers: all that was measured, see ``docs/quality.md``; None where it could not be.
        certainty: mean of the largest class score over the brain, by network; of ``warp``, the correlation of the image
            with Colin27's, laid on it.
        missing_regions: names of the regions without a voxel.
        cut_cm2: sides (``LRPAIS``) on which the field of view cuts the brain, and the area.
        farthest: the number of the image that is farthest from the networks' images.
    """

    numbers: Mapping[str, float | None] = {}
    certainty: Mapping[str, float] = {}
    missing_regions: tuple[str, ...] = ()
    cut_cm2: Mapping[str, float] = {}
    farthest: str = ""

    def judgement(self) -> Judgement:
        """The verdict and its reasons alone."""
        return Judgement(verdict=self.verdict, reasons=self.reasons)

    def warning(self) -> str | None:
        """One sentence for the manifest, the picture and the report; None when all is well."""
        if self.verdict == "ok":
            return None
        remedy = (
            "look at the picture"
            if self.verdict == "look"
            else "do not use this map unless the picture convinces you"
        )
        return f"QUALITY {self.verdict.upper()}: {'; '.join(self.reasons)}: {remedy}"


def graded(
    numbers: Mapping[str, float],
    certainty: Mapping[str, float],
    weights: Mapping[str, str | None],
) -> Quality:
    """The verdict by numbers alone; a network's certainty counts where its weights are those of the reference."""
    judged = [(bound, numbers[bound.number]) for bound in BOUNDS if bound.number in numbers]
    for network, value in certainty.items():
        usual = reference().certainty.get(network)
        if usual is not None and usual.sha256 == weights.get(network):
            look, doubtful = (usual.mean - far * usual.sd for far in FAR_BELOW)
            words = f"the network {network} is less sure than it is on good scans"
            judged.append(
                (Bound("certainty", round(look, 3), round(doubtful, 3), -1, words), value)
            )
    grades = [(bound, value, GRADE_OF[bound.level(value)]) for bound, value in judged]
    worst = min((grade for *_, grade in grades), key=GRADES.index, default="ok")
    return Quality(
        verdict=worst,
        reasons=tuple(bound.reason(value) for bound, value, grade in grades if grade != "ok"),
        numbers={n: round(v, DIGITS) if np.isfinite(v) else None for n, v in numbers.items()},
        certainty={network: round(value, DIGITS) for network, value in certainty.items()},
    )
