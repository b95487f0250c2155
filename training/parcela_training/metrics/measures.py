"""How well one label map agrees with another: Dice and surface distances of the 117 classes.

Surface distances by MONAI, between the voxels on each region's rim.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas import counts
from parcela.atlas.aal import CLASS_COUNT

Labels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Box = tuple[slice, ...]

BACKGROUND = 0
HAUSDORFF_PERCENTILE = 95


def _check(predicted: Labels, label: Labels) -> None:
    if predicted.shape != label.shape or not label.size:
        raise ValueError(f"a prediction of shape {predicted.shape} and a label of {label.shape}")
    for labels in (predicted, label):
        if labels.dtype != np.uint8:
            raise ValueError(f"a label map of {labels.dtype}, not uint8")
        if labels.max() >= CLASS_COUNT:
            raise ValueError(f"id {labels.max()} in a label map of {CLASS_COUNT - 1} regions")


def dice(predicted: Labels, label: Labels) -> Floats:
    """(117,) Dice of each class against a label, background first, as ``parcela.atlas.counts`` has it.

    NaN where the label lacks the class, predicted or not; 0 where only the prediction lacks it.

    Args:
        predicted: (X, Y, Z) uint8 ids 0 to 116.
        label: the same shape, the map to agree with.

    Raises:
        ValueError: the maps differ in shape or are empty, or hold an id over 116.
    """
    _check(predicted, label)
    values = counts.dice(predicted, label)
    values[counts.RegionCounts.of(label).by_class == 0] = np.nan
    return values


def image_mean(dice: Floats, *, background: bool = True) -> Floats:
    """(…) mean Dice of each image over its classes, from (…, 117) Dice.

    A class that the image's label lacks is left out of its mean, which then has fewer than 117
    terms, as in MONAI's ``DiceMetric``. Every label holds some class, so no mean is empty;
    without the background a label of no region at all has the mean NaN.
    """
    taken = dice if background else dice[..., BACKGROUND + 1 :]
    present = np.count_nonzero(~np.isnan(taken), axis=-1)
    total = np.asarray(np.nansum(taken, axis=-1))
    means = np.full(total.shape, np.nan)
    np.divide(total, present, out=means, where=present > 0)
    return means


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceDistances:
    """Distances between the surfaces of two label maps' regions, in mm.

    Attributes:
        hausdorff95_mm: (…, 117) the greater of the two directed 95th percentiles.
        average_mm: (…, 117) mean over both surfaces of the distance to the other.

    NaN for the background and for a region that either map lacks: it has no surface there. A
    network that misses a region is therefore not punished here; its Dice of 0 tells.
    """

    hausdorff95_mm: Floats
    average_mm: Floats


def surface_distances(
    predicted: Labels, label: Labels, spacing_mm: tuple[float, float, float]
) -> SurfaceDistances:
    """Hausdorff 95 % and average symmetric surface distance of each region; seconds per image.

    Args:
        predicted: (X, Y, Z) uint8 ids 0 to 116.
        label: the same shape.
        spacing_mm: size of a voxel along each axis.

    Raises:
        ValueError: as in ``dice``.
    """
    _check(predicted, label)
    distances = np.full((2, CLASS_COUNT), np.nan)
    for index, (box, other) in enumerate(zip(_boxes(predicted), _boxes(label), strict=True), 1):
        if box is not None and other is not None:
            both = tuple(
                slice(min(a.start, b.start), max(a.stop, b.stop))
                for a, b in zip(box, other, strict=True)
            )
            distances[:, index] = _distances(
                predicted[both] == index, label[both] == index, spacing_mm
            )
    return SurfaceDistances(distances[0], distances[1])


def _boxes(labels: Labels) -> list[Box | None]:
    from scipy import ndimage

    boxes: list[Box | None] = ndimage.find_objects(labels, max_label=CLASS_COUNT - 1)
    return boxes


def _distances(
    predicted: NDArray[np.bool_], label: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> tuple[float, float]:
    """Of one region, cut out of both maps by one box."""
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.surface_distance import compute_average_surface_distance

    one, two = (torch.from_numpy(mask[None, None]) for mask in (predicted, label))
    shared: Any = {"include_background": True, "spacing": spacing_mm}
    with warnings.catch_warnings():
        # MONAI 1.6 warns of an argument that it gives itself.
        warnings.filterwarnings("ignore", ".*always_return_as_numpy", FutureWarning)
        hausdorff = compute_hausdorff_distance(one, two, percentile=HAUSDORFF_PERCENTILE, **shared)
        average = compute_average_surface_distance(one, two, symmetric=True, **shared)
    return float(hausdorff), float(average)
