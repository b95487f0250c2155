"""The verdict on one finished map: what is measured on its scan, its mask, its image and itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import region
from parcela.atlas.counts import RegionCounts, dice
from parcela.imaging.geometry import Affine
from parcela.imaging.preprocessed import Preprocessed
from parcela.imaging.volume import Volume
from parcela.options import BOTH
from parcela.quality.measures import (
    block_means,
    image_distance,
    image_numbers,
    map_numbers,
    sidedness,
    sides_right,
)
from parcela.quality.reference import reference
from parcela.quality.verdict import Quality, graded

SPIKE = 6.0  # times the bright tissue; the brightest voxel of 200 cohort scans reached 4.2


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a verdict is made from.

    Attributes:
        scan: as received.
        ready: the same, preprocessed: its image is what the networks saw.
        labels: the map on the networks' grid.
        delivered, delivered_affine: the map that the user gets, on the scan's grid or the networks'.
        certainty: by network.
        weights: SHA-256 by network.
        by_network: each network's own map, where several took part.
        bent_mm: how far the network that registers bent the atlas, beyond an affine, where it took part.
    """

    scan: Volume
    ready: Preprocessed
    labels: NDArray[np.uint8]
    delivered: NDArray[np.uint8]
    delivered_affine: Affine
    certainty: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, str | None] = field(default_factory=dict)
    by_network: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    bent_mm: float | None = None


def assess(evidence: Evidence) -> Quality:
    """Measure a finished map and hold it against the bounds."""
    scan, ready = evidence.scan, evidence.ready
    numbers, farthest = on_grid(ready.image, ready.trail.model.affine, evidence.labels)
    delivered, affine = evidence.delivered, evidence.delivered_affine
    sides: dict[str, float] = {}
    for cut in ready.record.cuts:
        sides[cut.side] = round(sides.get(cut.side, 0.0) + cut.area_cm2, 1)
    voxel_ml = scan.geometry.voxel_volume_mm3 / 1000
    numbers |= {
        "brain_ml": float(np.count_nonzero(ready.brain_mask)) * voxel_ml,
        "regions_ml": np.count_nonzero(delivered) * abs(np.linalg.det(affine[:3, :3])) / 1000,
        "sides_right": sides_right(delivered, affine),
        "cut_cm2": sum(sides.values()),
        "tilt_degrees": scan.geometry.tilt_degrees,
        "sides_unknown": float(not scan.geometry.sides_known),
        **_intensities(scan.data[ready.brain_mask > 0]),
    }
    if evidence.bent_mm is not None:
        numbers["bent_mm"] = evidence.bent_mm
    if evidence.by_network:
        first, second = (evidence.by_network[network] for network in BOTH)
        numbers["agreement"] = float(np.nanmean(dice(first, second)[1:]))
    missing = RegionCounts.of(delivered).missing
    return graded(numbers, evidence.certainty, evidence.weights).model_copy(
        update={
            "missing_regions": tuple(region(index).name for index in missing),
            "cut_cm2": sides,
            "farthest": farthest,
        }
    )


def on_grid(
    image: NDArray[np.float32], affine: Affine, labels: NDArray[np.uint8]
) -> tuple[dict[str, float], str]:
    """What is measured on the networks' grid, and the number of the image that is farthest from the usual."""
    usual = reference()
    on_map = map_numbers(labels, image, usual)
    if block_means(image).shape != usual.coarse_shape:  # another grid than the networks that ship
        return on_map, ""
    look = image_numbers(image, affine, usual)
    distance, farthest = image_distance(look, usual)
    against_usual = {"image_distance": distance, "sidedness": sidedness(image, usual)}
    return look | against_usual | on_map, farthest


def _intensities(brain: NDArray[np.float32]) -> dict[str, float]:
    """Share of a brain's voxels below 0, and how many are spikes."""
    if not brain.size:
        return {"below_zero": 0.0, "spikes": 0.0}
    floor, bright = (float(v) for v in np.percentile(brain, (0.1, 99)))
    spikes = (np.abs(brain - floor) > SPIKE * (bright - floor)).sum() if bright > floor else 0
    return {"below_zero": float((brain < 0).mean()), "spikes": float(spikes)}
