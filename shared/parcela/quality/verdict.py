"""Is this map to be trusted? A verdict with its reasons, from numbers that are measured on every map."""

from __future__ import annotations

from collections.abc import Mapping

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

HEADER = "see in the scanner's own record which side is which"
# Each from the 150 training and 25 validation images, with room; docs/quality.md has the spreads.
BOUNDS = (
    Bound("brain_ml", 2000, 2300, 1, "the brain mask is too large: look for skull or neck in it"),
    Bound("brain_ml", 950, 600, -1, "the brain mask is small: look for what it cut off"),
    Bound("labels_inside", 0.955, 0.92, -1, "regions lie outside the brain mask"),
    Bound("brain_labelled", 0.70, 0.62, -1, "much of the brain mask bears no region: look at the white line"),
    Bound("regions_missing", 0, 5, 1, "regions of the atlas have no voxel"),
    Bound("share_z_rms", 1.8, 4.0, 1, "regions have sizes that adults' do not have"),
    Bound("islands", 0.01, 0.05, 1, "regions fall into pieces"),
    Bound("sides_right", 0.99, 0.9, -1, f"left regions lie right of right ones: {HEADER}"),
    Bound("sidedness", -0.3, -np.inf, -1, f"the brain is asymmetric as if mirrored: {HEADER}"),
    Bound("image_distance", 2.5, 4.0, 1, "the image is unlike those that the networks learned from"),
    Bound("agreement", 0.8, 0.6, -1, "the two networks disagree"),
    Bound("cut_cm2", 0, 0, 1, "the field of view cuts the brain: doubt regions near the cut"),
    Bound("tilt_degrees", 12, 60, 1, "the grid is tilted: compare the picture with the scan"),
    Bound("below_zero", 0.01, 0.9, 1, "the brain holds negative intensities: compare the picture with the scan"),
    Bound("spikes", 0, np.inf, 1, "the brain holds spikes: compare the picture with the scan"),
    Bound("sides_unknown", 0, np.inf, 1, f"the header does not say, or says twice, which side is left: {HEADER}"),
)  # fmt: skip


class Quality(Judgement):
    """The verdict on one map, and what it rests on.

    Attributes:
        numbers: all that was measured, see ``docs/quality.md``; None where it could not be.
        certainty: mean of the largest class score over the brain, by network.
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
