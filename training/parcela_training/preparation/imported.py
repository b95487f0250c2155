"""Brain masks and label maps that others have made of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.aal import REGION_COUNT
from parcela.atlas.counts import RegionCounts
from parcela.errors import BadScan
from parcela.imaging.geometry import Affine, Shape
from parcela.imaging.volume import Volume, read_volume
from parcela.quality.grade import Bound
from parcela_labelling.check import LIMITS, VERDICT_OF, Verdict
from parcela_labelling.reference import volume_z

AFFINE_TOLERANCE_MM = 1e-3
MASK_TOLERANCE_MM = 0.1  # a mask's header may have been written with fewer digits
SHARED = ("labels_inside", "brain_labelled", "regions_missing")
VOLUMES = Bound("volume_z_rms", 3.0, float("inf"), 1, "region volumes are unlike other adults'")


@dataclass(frozen=True, eq=False)
class OnOneGrid:
    """An image and its labels on a common grid.

    Attributes:
        image: (I, J, K) float32 in [0, 1].
        labels: (I, J, K) uint8, ids 0 to 116.
        affine: (4, 4), voxel index to world mm (RAS+).
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    affine: Affine


def read_mask(path: Path, scan: Volume) -> NDArray[np.uint8]:
    """A brain mask on its scan's grid, (X, Y, Z) of 0 and 1.

    Raises:
        BadScan: it cannot be read, or lies on another grid.
    """
    mask = read_volume(path)
    of_mask, of_scan = mask.geometry, scan.geometry
    if (
        of_mask.shape != of_scan.shape
        or _apart_mm(of_mask.affine, of_scan.affine) > MASK_TOLERANCE_MM
    ):
        raise BadScan(f"{path}: the mask is not on its scan's grid: resample it, or take it away")
    return (mask.data > 0).astype(np.uint8)


def read_labels(path: Path) -> tuple[NDArray[np.uint8], Affine]:
    """A label map, (X, Y, Z) uint8, and its affine.

    Raises:
        BadScan: it cannot be read, or holds anything but the ids 0 to 116.
    """
    volume = read_volume(path)
    ids = np.rint(volume.data)
    if (ids != volume.data).any() or ids.min() < 0 or ids.max() > REGION_COUNT:
        raise BadScan(
            f"{path}: not a label map of AAL's ids 0 to {REGION_COUNT}: take it away, and Parcela makes its own"
        )
    return ids.astype(np.uint8), volume.geometry.affine


def matched(
    image: NDArray[np.float32],
    image_affine: Affine,
    labels: NDArray[np.uint8],
    labels_affine: Affine,
) -> OnOneGrid:
    """An image and its labels brought together by their affines, never by index.

    Labels on a grid of the image's size stay untouched, and the image is resampled (linearly) onto them where their
    grids differ. Labels on another grid, such as the scan's, are read at the image's voxels (nearest neighbour).
    """
    if labels.shape == image.shape:
        moved = _resampled(image, image_affine, labels_affine, image.shape, order=1)
        return OnOneGrid(moved.clip(0.0, 1.0), labels, labels_affine)
    resampled = _resampled(labels, labels_affine, image_affine, image.shape, order=0)
    return OnOneGrid(image, resampled, image_affine)


def check_labels(pair: OnOneGrid) -> tuple[Verdict, tuple[str, ...]]:
    """Are these the labels of this scan? The limits of a registration's check, as far as they need no registration.

    Volumes are judged leniently: whoever drew the labels may have drawn regions of other sizes.
    """
    brain, labelled = pair.image > 0, pair.labels > 0
    both = int((brain & labelled).sum())
    measures = {
        "labels_inside": both / max(int(labelled.sum()), 1),
        "brain_labelled": both / max(int(brain.sum()), 1),
        "regions_missing": float(len(RegionCounts.of(pair.labels).missing)),
        "volume_z_rms": float(np.sqrt((volume_z(pair.labels) ** 2).mean())),
    }
    judged = [
        (limit, VERDICT_OF[limit.level(measures[limit.number])])
        for limit in (*(limit for limit in LIMITS if limit.number in SHARED), VOLUMES)
    ]
    reasons = tuple(
        f"{limit.words} ({limit.number} {measures[limit.number]:.3g})"
        for limit, verdict in judged
        if verdict != "ok"
    )
    order: tuple[Verdict, ...] = ("failed", "doubtful", "ok")
    return next(kind for kind in order if kind == "ok" or kind in {v for _, v in judged}), reasons


def _apart_mm(one: Affine, other: Affine) -> float:
    return float(np.abs(one - other).max())


def _resampled(
    values: NDArray[Any], affine: Affine, wanted: Affine, shape: Shape, order: int
) -> NDArray[Any]:
    if values.shape == shape and _apart_mm(affine, wanted) <= AFFINE_TOLERANCE_MM:
        return values
    step = np.linalg.inv(affine) @ wanted
    moved = ndimage.affine_transform(values, step[:3, :3], step[:3, 3], shape, order=order)
    return np.asarray(moved, dtype=values.dtype)
