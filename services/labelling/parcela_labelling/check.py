"""Did this registration work? An automatic check that names what is wrong in plain words.

No single number tells. A registration that folded space, that brought the brains' outlines but not their inside
together, or that squeezed regions to sizes nobody has, fails by one of these and passes the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer

from parcela.atlas.aal import region
from parcela.quality.grade import Bound, Level
from parcela.record import Document
from parcela_labelling.measures import measures
from parcela_labelling.reference import volume_z
from parcela_labelling.register import Registration

Verdict = Literal["ok", "doubtful", "failed"]
UNUSUAL_Z = 3.5  # a region's volume beyond this is listed


VERDICT_OF: Mapping[Level, Verdict] = {
    "good": "ok",
    "mild": "doubtful",
    "grave": "failed",
    "unmeasured": "failed",
}
LIMITS = (
    Bound("overlap", 0.92, 0.85, -1, "the atlas's brain and the scan's cover each other badly"),
    Bound("similarity", 0.60, 0.50, -1, "the atlas's brain does not look like the scan inside"),
    Bound("labels_inside", 0.955, 0.90, -1, "labels lie outside the scan's brain"),
    Bound("brain_labelled", 0.66, 0.55, -1, "much of the scan's brain bears no label"),
    Bound("volume_z_rms", 1.5, 2.2, 1, "region volumes are far from those of other adults"),
    Bound("regions_missing", 0, 5, 1, "regions of the atlas have no voxel"),
    Bound("folded_share", 0.0005, 0.01, 1, "the deformation folds space onto itself"),
    Bound("jacobian_p1", 0.25, 0.10, -1, "the deformation squeezes parts of the brain too much"),
    Bound("jacobian_p99", 4.0, 10.0, 1, "the deformation stretches parts of the brain too much"),
    Bound("affine_scale", 0.55, 0.35, -1, "the scan's brain is far larger than the atlas's"),
    Bound("affine_scale", 1.8, 2.9, 1, "the scan's brain is far smaller than the atlas's"),
)


def _record_of(limit: Bound) -> dict[str, Any]:
    """What a check's record says of a limit."""
    return {
        "measure": limit.number,
        "bad": "high" if limit.sense == 1 else "low",
        "doubtful": limit.mild,
        "failed": limit.grave,
    }


# In JSON null for what is no number.
Measure = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: value if math.isfinite(value) else None),
]


class Check(Document):
    """The verdict on one registration.

    Attributes:
        verdict: ``ok``, ``doubtful`` (look at the picture), ``failed`` (do not use the labels).
        reasons: what is wrong, one sentence each; empty when all is well.
        measures: every number that was looked at, see ``docs/labelling.md``.
        unusual_regions: region name and z of its volume, for those beyond 3.5 standard deviations.
        limits: what the measures were held against.
    """

    indent: ClassVar[int | None] = 2

    schema_version: Literal[1] = 1
    verdict: Verdict
    reasons: tuple[str, ...]
    measures: dict[str, Measure]
    unusual_regions: dict[str, float]
    limits: tuple[dict[str, Any], ...] = tuple(map(_record_of, LIMITS))

    def warning(self) -> str | None:
        """One sentence for the manifest; None when all is well."""
        if self.verdict == "ok":
            return None
        remedy = "look at the picture" if self.verdict == "doubtful" else "do not use these labels"
        return f"registration {self.verdict}: {'; '.join(self.reasons)}: {remedy}"


def check_registration(image: NDArray[np.float32], registration: Registration) -> Check:
    """Hold a registration against the limits.

    Args:
        image: (I, J, K) float32, a brain, 0 outside.
        registration: the atlas on the same grid, its labels *before* any opening.
    """
    z = volume_z(registration.labels)
    values = {name: round(value, 5) for name, value in measures(image, registration, z).items()}
    verdicts = [(limit, VERDICT_OF[limit.level(values[limit.number])]) for limit in LIMITS]
    reasons = tuple(
        limit.reason(values[limit.number]) for limit, verdict in verdicts if verdict != "ok"
    )
    order: tuple[Verdict, ...] = ("failed", "doubtful", "ok")
    worst = next(kind for kind in order if kind in {verdict for _, verdict in verdicts} | {"ok"})
    unusual = {
        region(int(i) + 1).name: round(float(z[i]), 2) for i in np.flatnonzero(abs(z) > UNUSUAL_Z)
    }
    return Check(verdict=worst, reasons=reasons, measures=values, unusual_regions=unusual)
