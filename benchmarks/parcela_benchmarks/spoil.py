"""Scans spoilt on purpose, each kind as it reaches the networks: what the quality verdict must not call ok.

``on_scan`` spoils the scan and its mask, and lets the geometric steps of a preset follow (N4 is left out: it takes most
of the time). ``thesis`` follows the published steps, which mend nothing: so an installation saw these scans before
intensities and fields of view were mended. ``on_grid`` spoils the prepared image, the last thing before the networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.imaging.geometry import Affine
from parcela.imaging.volume import Volume
from parcela.options import Preset
from parcela_benchmarks.degrade import Degraded, Mask, regridded
from parcela_preprocess.field_of_view import OPPOSITE
from parcela_preprocess.preprocess import preprocess
from parcela_training.preparation.prepared_set import PreparedImage

Image = NDArray[np.float32]

RINGING = -20.0
SPIKE = 1e6
BLUR_MM = (4.0, 8.0)
SKULL_BASE_MM = 25.0
AROUND_MM = 8.0
AROUND_VOXELS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Spoilt:
    """What the networks are given.

    Attributes:
        image: (I, J, K) float32 in [0, 1].
        affine: (4, 4), voxel index to the spoilt scan's world, RAS+ mm.
        moved: (4, 4), where a point of the unspoilt scan's world lies now.
        warnings: what the preprocessing said.
    """

    image: Image
    affine: Affine
    moved: Affine
    warnings: tuple[str, ...] = ()


Spoil = Callable[[PreparedImage, Volume, Mask], Spoilt]


def on_scan(change: Callable[[Volume, Mask], Degraded], preset: Preset = "modern") -> Spoil:
    """Spoil a scan within its mask, then bring it to the grid by the geometric steps of a preset."""

    def spoil(prepared: PreparedImage, scan: Volume, mask: Mask) -> Spoilt:
        changed = change(scan, mask)
        if changed.mask is None:
            raise ValueError("a spoilt scan keeps a mask")
        brain = changed.scan.with_data((changed.scan.data * changed.mask).astype(np.float32))
        done = preprocess(
            brain, preset=preset, preprocess=False, mask=changed.mask, shape=prepared.image.shape
        )
        return Spoilt(done.image, done.trail.model.affine, changed.moved, done.record.warnings)

    return spoil


def on_grid(change: Callable[[Image, Affine], Image]) -> Spoil:
    """Spoil the prepared image, (I, J, K) in [0, 1], whose affine is given beside it."""

    def spoil(prepared: PreparedImage, _scan: Volume, _mask: Mask) -> Spoilt:
        image = change(prepared.image.astype(np.float32), prepared.affine)
        return Spoilt(np.clip(image, 0, 1).astype(np.float32), prepared.affine, np.eye(4), ())

    return spoil


def _with(scan: Volume, data: NDArray[np.floating], mask: Mask) -> Degraded:
    return Degraded(scan.with_data(data.astype(np.float32)), mask, np.eye(4))


def one_negative_voxel(scan: Volume, mask: Mask) -> Degraded:
    """One voxel below 0 in the middle of the brain."""
    data = scan.data.copy()
    places = np.argwhere(mask)
    data[tuple(places[len(places) // 2])] = RINGING * scan.data.max() / 1000
    return _with(scan, data, mask)


def z_scored(scan: Volume, mask: Mask) -> Degraded:
    """Intensities as z-scores over the brain: half of them lie below 0."""
    brain = scan.data[mask > 0]
    return _with(scan, (scan.data - brain.mean()) / brain.std(), mask)


def one_spike(scan: Volume, mask: Mask) -> Degraded:
    """One voxel a thousand times as bright as the rest."""
    data = scan.data.copy()
    places = np.argwhere(mask)
    data[tuple(places[len(places) // 2])] = SPIKE
    return _with(scan, data, mask)


def half(side: str) -> Callable[[Volume, Mask], Degraded]:
    """The field of view ends in the middle of the brain: what lies on one anatomical side of it is all there is."""

    def change(scan: Volume, mask: Mask) -> Degraded:
        codes = scan.geometry.axcodes
        axis = next(a for a, code in enumerate(codes) if side in (code, OPPOSITE[code]))
        places = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        middle = int(places.mean())
        part = slice(middle, None) if codes[axis] == side else slice(0, middle)
        kept = [slice(None)] * 3
        kept[axis] = part
        shift = np.eye(4)
        shift[axis, 3] = part.start or 0
        return Degraded(
            regridded(scan, scan.data[tuple(kept)], scan.geometry.affine @ shift),
            np.ascontiguousarray(mask[tuple(kept)]),
            np.eye(4),
        )

    return change


def whole_head(scan: Volume, _mask: Mask) -> Degraded:
    """No brain extraction at all: the head with its neck."""
    low = np.percentile(scan.data, 50)
    return _with(scan, scan.data, ndimage.binary_fill_holes(scan.data > low).astype(np.uint8))


def skull_base(scan: Volume, mask: Mask) -> Degraded:
    """A mask that reaches beyond the brain: 8 mm all around, and 25 mm further down."""
    spacing = np.asarray(scan.geometry.spacing_mm)
    around = ndimage.distance_transform_edt(mask == 0, sampling=spacing) <= AROUND_MM
    axis = next(a for a, code in enumerate(scan.geometry.axcodes) if code in "IS")
    down = 1 if scan.geometry.axcodes[axis] == "I" else -1
    wide = around.copy()
    for step in range(1, round(SKULL_BASE_MM / spacing[axis]) + 1):
        wide |= np.roll(around, down * step, axis)
    return _with(scan, scan.data, (wide & (scan.data > 0)).astype(np.uint8))


def turned(axis: int, degrees: float) -> Callable[[Volume, Mask], Degraded]:
    """The head turned about a world axis through the brain's middle, with a header that does not say so."""
    angle = np.radians(degrees)

    def change(scan: Volume, mask: Mask) -> Degraded:
        affine = scan.geometry.affine
        centre = affine[:3, :3] @ np.argwhere(mask).mean(0) + affine[:3, 3]
        one, other = (a for a in range(3) if a != axis)
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        moved = np.eye(4)
        moved[:3, :3] = turn
        moved[:3, 3] = centre - turn @ centre
        room = [(max(scan.data.shape) // 3,) * 2] * 3  # a turned brain may leave the grid
        data, wide = np.pad(scan.data * (mask > 0), room), np.pad(mask, room)
        wider = affine.copy()
        wider[:3, 3] -= affine[:3, :3] @ [before for before, _ in room]
        pull = np.linalg.inv(wider) @ np.linalg.inv(moved) @ wider
        data = ndimage.affine_transform(data, pull[:3, :3], pull[:3, 3], order=1)
        turned_mask = ndimage.affine_transform(wide, pull[:3, :3], pull[:3, 3], order=0)
        box = ndimage.find_objects(turned_mask)[0]
        wider[:3, 3] += wider[:3, :3] @ [part.start for part in box]
        brain = regridded(scan, data[box].astype(np.float32), wider)
        return Degraded(_padded(brain), np.pad(turned_mask[box], AROUND_VOXELS), moved)

    return change


def _padded(scan: Volume) -> Volume:
    wider = scan.geometry.affine.copy()
    wider[:3, 3] -= wider[:3, :3].sum(1) * AROUND_VOXELS
    return regridded(scan, np.pad(scan.data, AROUND_VOXELS), wider)


def mirrored(image: Image, _affine: Affine) -> Image:
    """Left and right exchanged, and a header that does not say so."""
    return np.ascontiguousarray(image[::-1])


def inverted(image: Image, _affine: Affine) -> Image:
    """As T2: fluid brightest, white matter darkest."""
    return np.where(image > 0, 1.02 - image, 0)


def grey_brightest(image: Image, _affine: Affine) -> Image:
    """As proton density or FLAIR: grey matter brightest, white matter between, fluid dark."""
    grey = float(np.median(image[image > 0]))
    return np.where(image > grey, 1 - 0.6 * (image - grey) / (1 - grey), image / grey)


def ellipsoid(image: Image, _affine: Affine) -> Image:
    """A phantom: shells with the values of fluid, grey and white matter, and some noise."""
    radius = _radius(image.shape)
    values = [float(v) for v in np.percentile(image[image > 0], (10, 40, 85))]
    shells = np.select([radius < 0.7, radius < 0.92, radius < 1], values[::-1], 0.0)
    noise = np.random.default_rng(0).normal(0, 0.02, image.shape)
    return np.where(shells > 0, shells + noise, 0)


def bottle(image: Image, _affine: Affine) -> Image:
    """A phantom: a uniform sphere with some noise."""
    noise = np.random.default_rng(0).normal(0.5, 0.05, image.shape)
    return np.where(_radius(image.shape) < 1, noise, 0)


def _radius(shape: tuple[int, ...]) -> NDArray[np.float64]:
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    return np.asarray(np.sqrt(np.square(axes).sum(0)))


def noise_in_mask(image: Image, _affine: Affine) -> Image:
    """The brain's outline, and nothing but noise in it."""
    return np.where(image > 0, np.random.default_rng(0).uniform(0.01, 1, image.shape), 0)


def noise_alone(image: Image, _affine: Affine) -> Image:
    """Nothing but noise, from end to end."""
    return np.abs(np.random.default_rng(0).normal(0, 0.3, image.shape))


def noisy(image: Image, _affine: Affine) -> Image:
    """A brain drowned in noise half as large as its range."""
    noise = np.random.default_rng(0).normal(0, 0.5, image.shape)
    return np.where(image > 0, np.clip(image + noise, 0.01, 1), 0)


def two_brains(axis: int) -> Callable[[Image, Affine], Image]:
    """Two brains in one field of view, side by side along an axis of the grid."""

    def change(image: Image, _affine: Affine) -> Image:
        size = image.shape[axis]
        zoom = np.ones(3)
        zoom[axis] = (size // 2) / size
        one = ndimage.zoom(image, zoom, order=1)
        both = np.concatenate([one, one], axis)
        room = [(0, size - n if a == axis else 0) for a, n in enumerate(both.shape)]
        return np.pad(both, room)

    return change


def blurred(sigma_mm: float) -> Callable[[Image, Affine], Image]:
    """Smoothed by a Gaussian, within the brain's outline."""

    def change(image: Image, affine: Affine) -> Image:
        sigma = sigma_mm / np.linalg.norm(affine[:3, :3], axis=0)
        smooth = ndimage.gaussian_filter(image, sigma)
        around = ndimage.gaussian_filter((image > 0).astype(np.float32), sigma)
        return np.where(image > 0, smooth / np.maximum(around, 1e-3), 0)

    return change


# By kind and name: what is done, and where.
SPOILT: dict[tuple[str, str], Spoil] = {
    ("negative", "one voxel below 0, unmended"): on_scan(one_negative_voxel, "thesis"),
    ("negative", "z-scores, unmended"): on_scan(z_scored, "thesis"),
    ("negative", "one spike, unmended"): on_scan(one_spike, "thesis"),
    ("half a brain", "upper half, stretched"): on_scan(half("S"), "thesis"),
    ("half a brain", "left half, stretched"): on_scan(half("L"), "thesis"),
    ("half a brain", "upper half, with room"): on_scan(half("S")),
    ("half a brain", "left half, with room"): on_scan(half("L")),
    ("wrong mask", "whole head"): on_scan(whole_head),
    ("wrong mask", "with skull base"): on_scan(skull_base),
    ("turned", "45° about x"): on_scan(turned(0, 45)),
    ("turned", "45° about y"): on_scan(turned(1, 45)),
    ("turned", "45° about z"): on_scan(turned(2, 45)),
    ("turned", "90° about x"): on_scan(turned(0, 90)),
    ("turned", "upside down"): on_scan(turned(0, 180)),
    ("contrast", "inverted"): on_grid(inverted),
    ("contrast", "grey matter brightest"): on_grid(grey_brightest),
    ("phantom", "ellipsoid of three tissues"): on_grid(ellipsoid),
    ("phantom", "uniform sphere"): on_grid(bottle),
    ("noise", "in the brain's outline"): on_grid(noise_in_mask),
    ("noise", "alone"): on_grid(noise_alone),
    ("noise", "a drowned brain"): on_grid(noisy),
    ("two brains", "side by side"): on_grid(two_brains(0)),
    ("two brains", "one above the other"): on_grid(two_brains(2)),
    ("blur", "4 mm"): on_grid(blurred(BLUR_MM[0])),
    ("blur", "8 mm"): on_grid(blurred(BLUR_MM[1])),
    ("mirrored", "left and right exchanged, header silent"): on_grid(mirrored),
}
HEAD = ("wrong mask", "negative")  # of whole heads: what lies around the brain matters
