"""What is measured on a registration; ``docs/labelling.md`` says what each number means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.counts import RegionCounts, dice_of_sizes
from parcela.imaging.standard_space import LPS
from parcela_labelling.register import Registration
from parcela_labelling.transforms import Field

JACOBIAN_PERCENTILES = (1, 50, 99)


def measures(
    image: NDArray[np.float32], registration: Registration, z: NDArray[np.float64]
) -> dict[str, float]:
    """Every number by its name.

    Args:
        image: (I, J, K) float32, a brain, 0 outside.
        registration: the atlas on the same grid, its labels before any opening.
        z: (116,), as ``volume_z`` has it.
    """
    brain, atlas, labelled = image > 0, registration.brain > 0, registration.labels > 0
    both = brain & atlas
    scale = float(np.linalg.det(registration.transforms.affine[:3, :3]))
    return {
        "overlap": float(dice_of_sizes(both.sum(), brain.sum(), atlas.sum())),
        "similarity": _correlation(image[both], registration.brain[both]),
        "labels_inside": _share(labelled & brain, labelled),
        "brain_labelled": _share(labelled & brain, brain),
        "volume_z_rms": float(np.sqrt((z**2).mean())),
        "volume_z_worst": float(abs(z).max()),
        "regions_missing": float(len(RegionCounts.of(registration.labels).missing)),
        "affine_scale": scale,
        **_deformation(registration, brain),
    }


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    """How many voxels ``part`` has for each of ``whole``; NaN where that has none."""
    return float(part.sum()) / float(whole.sum()) if whole.any() else float("nan")


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Pearson's; NaN where there is nothing to correlate."""
    if one.size < 2 or one.std() == 0 or other.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _deformation(registration: Registration, brain: NDArray[np.bool_]) -> dict[str, float]:
    """Percentiles of the warp's Jacobian determinant inside the brain, and the share of it that is folded."""
    warp = registration.transforms.warp
    inside = jacobian_determinant(warp)[brain] if warp is not None else np.ones(1)
    if not inside.size:
        inside = np.full(1, np.nan)
    low, middle, high = np.percentile(inside, JACOBIAN_PERCENTILES)
    return {
        "jacobian_p1": float(low),
        "jacobian_p50": float(middle),
        "jacobian_p99": float(high),
        "folded_share": float((inside <= 0).mean()),
    }


def jacobian_determinant(field: Field) -> NDArray[np.float64]:
    """How much a deformation shrinks or swells each place: the determinant of its derivative, (I, J, K).

    1 keeps volumes, 2 doubles them, 0 and below folds space onto itself. Differences are central.
    """
    to_index = np.linalg.inv(field.affine[:3, :3])
    derivative = np.empty((*field.vectors_mm.shape[:3], 3, 3))
    for axis in range(3):
        by_index = np.gradient(field.vectors_mm[..., axis].astype(np.float64) * LPS[axis])
        derivative[..., axis, :] = np.stack(by_index, -1) @ to_index
    derivative += np.eye(3)
    return np.asarray(np.linalg.det(derivative))
