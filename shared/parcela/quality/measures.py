"""What is measured on a finished map; ``docs/quality.md`` says what each number means.

All of it is cheap: it is measured on the networks' grid, or on a thinned copy of the scan's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.aal import regions
from parcela.atlas.counts import RegionCounts, mean_places
from parcela.imaging.geometry import Affine, box_of
from parcela.quality.reference import BLOCK, Floats, Reference

Image = NDArray[np.float32]
Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Numbers = dict[str, float]

QUANTILES = (5, 25, 50, 75, 95)
RIM = 2  # voxels between the brain's outline and where its texture is looked at
# Share of a block that is brain in an image and in the reference, to compare their insides
CORE = 0.9
LEAST = 0.5  # voxels that a region without any is counted as, so that it has a logarithm
THINNED = 200_000  # voxels, at least, that sides are told from


def image_numbers(image: Image, affine: Affine, reference: Reference) -> Numbers:
    """How the networks' image looks: each number lies within narrow limits where a brain was prepared for them.

    Args:
        image: (I, J, K) in [0, 1], 0 outside the brain.
        affine: (4, 4), of its grid.
        reference: its coarse image and outline are compared with.
    """
    mask = image > 0
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    box_mm = _box(mask) * spacing_mm
    levels = np.percentile(image[mask], QUANTILES)
    coarse, outline = block_means(image), block_means(mask.astype(np.float32))
    usual_image, usual_outline = (
        reference.coarse(values) for values in (reference.coarse_image, reference.coarse_outline)
    )
    either = (outline > 0) | (usual_outline > 0)
    core = (outline > CORE) & (usual_outline > CORE)
    return {
        "log_volume": float(np.log(mask.sum() * spacing_mm.prod() / 1000)),
        "fill": float(mask.mean()),
        **{f"box_{a}_mm": float(mm) for a, mm in zip("xyz", box_mm, strict=True)},
        **{f"quantile_{q}": float(v) for q, v in zip(QUANTILES, levels, strict=True)},
        "texture": texture(image, mask),
        "outline": _soft_dice(outline, usual_outline),
        "likeness": _correlation(coarse[either], usual_image[either]),
        "likeness_inside": _correlation(coarse[core], usual_image[core]),
    }


def image_distance(numbers: Numbers, reference: Reference) -> tuple[float, str]:
    """How far an image is from what the networks learned, and the number that is farthest.

    The distance is the root mean square of the z-scores: about 1 for an image like those.
    """
    z = {name: (numbers[name] - usual.mean) / usual.sd for name, usual in reference.numbers.items()}
    return float(np.sqrt(np.mean(np.square(list(z.values()))))), max(z, key=lambda n: abs(z[n]))


def sidedness(image: Image, reference: Reference) -> float:
    """About 1 where the brain is asymmetric as brains are (right frontal, left occipital), about -1 where mirrored.

    The petalia: LeMay 1976, doi:10.1111/j.1749-6632.1976.tb25499.x. A linear discriminant on left minus right.
    """
    asymmetry = block_means(image) - block_means(image[::-1])
    return float((asymmetry * reference.coarse(reference.sidedness)).sum())


def texture(image: Image, mask: Mask) -> float:
    """How much neighbours differ, as a share of how much all differ, well within the brain.

    Low where the image is blurred, high where it is noise.
    """
    inner = ndimage.binary_erosion(mask, iterations=RIM)
    spread = float(image[inner].std()) if inner.any() else 0.0
    if spread == 0:
        return 0.0
    squares = []
    for axis in range(3):
        values, inside = np.swapaxes(image, 0, axis), np.swapaxes(inner, 0, axis)
        steps = (values[1:] - values[:-1])[inside[1:] & inside[:-1]]
        squares.append(float(np.square(steps).mean()) if steps.size else 0.0)
    return float(np.sqrt(np.mean(squares))) / spread


def block_means(image: Image) -> Floats:
    """Means of blocks of 8³ voxels, with zeros around the image where it does not fill the last ones."""
    room = [(-n % BLOCK) for n in image.shape]
    filled = np.pad(image, [(n // 2, n - n // 2) for n in room])
    x, y, z = (n // BLOCK for n in filled.shape)
    return np.asarray(filled.reshape(x, BLOCK, y, BLOCK, z, BLOCK).mean((1, 3, 5)), np.float64)


def map_numbers(labels: Labels, image: Image, reference: Reference) -> Numbers:
    """How a map lies in the networks' image.

    Args:
        labels: (I, J, K) ids 0 to 116.
        image: on the same grid, 0 outside the brain.
        reference: its regions' shares are compared with.
    """
    counts = RegionCounts.of(labels)
    brain, labelled = image > 0, labels > 0
    both = float((brain & labelled).sum())
    usual = reference.log_shares
    mean, sd = np.array([one.mean for one in usual]), np.array([one.sd for one in usual])
    z = (log_shares(counts) - mean) / sd
    return {
        "regions_missing": float(len(counts.missing)),
        "labels_inside": both / max(float(labelled.sum()), 1.0),
        "brain_labelled": both / max(float(brain.sum()), 1.0),
        "share_z_rms": float(np.sqrt(np.mean(z**2))),
        "islands": island_share(labels),
    }


def log_shares(counts: RegionCounts) -> Floats:
    """(116,): natural logarithm of each region's share of the labelled voxels."""
    voxels = counts.by_region.astype(np.float64)
    return np.asarray(np.log(np.maximum(voxels, LEAST) / max(voxels.sum(), 1.0)))


def island_share(labels: Labels) -> float:
    """Share of the labelled voxels that lie apart from the largest connected part of their region."""
    apart = 0
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        parts, count = ndimage.label(labels[box] == index)
        if count > 1:
            sizes = np.bincount(parts.ravel())[1:]
            apart += int(sizes.sum() - sizes.max())
    return apart / max(int((labels > 0).sum()), 1)


def sides_right(labels: Labels, affine: Affine) -> float:
    """Share of the pairs of regions whose left one lies further left in the world; NaN where there is no whole pair.

    Args:
        labels: (X, Y, Z) ids 0 to 116, on any grid.
        affine: (4, 4), voxel index of that grid to world mm (RAS+).
    """
    step = max(1, int((labels.size / THINNED) ** (1 / 3)))
    x_mm = mean_places(labels[::step, ::step, ::step]) @ (affine[0, :3] * step)
    pairs = [(r.index - 1, r.partner - 1) for r in regions() if r.hemisphere == "L" and r.partner]
    left, right = (x_mm[list(side)] for side in zip(*pairs, strict=True))
    whole = np.isfinite(left) & np.isfinite(right)
    return float((left < right)[whole].mean()) if whole.any() else float("nan")


def _box(mask: Mask) -> NDArray[np.intp]:
    return np.array([part.stop - part.start for part in box_of(mask)])


def _soft_dice(one: Floats, other: Floats) -> float:
    return float(2 * np.minimum(one, other).sum() / (one.sum() + other.sum()))


def _correlation(one: Floats, other: Floats) -> float:
    """Pearson's; 0 where there is nothing to correlate."""
    if one.size < 2 or one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
