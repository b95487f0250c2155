"""Scans made worse on purpose, before any preprocessing: each way by itself, the same on every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.imaging.geometry import Affine, Geometry
from parcela.imaging.volume import Volume

Mask = NDArray[np.uint8]

AXIS = np.ones(3) / np.sqrt(3)  # between all three: nodding, leaning and turning at once
BIAS = 0.5  # of the logarithm: the brightest side is e times the darkest
BIAS_WAVE_MM = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Degraded:
    """A scan and its brain mask after something happened to them.

    Attributes:
        scan: on its own grid.
        mask: (X, Y, Z) on that grid; None: to be found by deepbet.
        moved: (4, 4), where a point of the first scan's world lies now, in RAS+ mm.
    """

    scan: Volume
    mask: Mask | None
    moved: Affine


def as_is(scan: Volume, mask: Mask) -> Degraded:
    """Nothing happens: what the others are compared with."""
    return Degraded(scan, mask, np.eye(4))


def slices(thickness_mm: float) -> Callable[[Volume, Mask], Degraded]:
    """Thick slices along the axis nearest to the body's: each the mean of what it covers."""

    def change(scan: Volume, mask: Mask) -> Degraded:
        axis = int(np.abs(scan.geometry.affine[2, :3] / scan.geometry.spacing_mm).argmax())
        times = thickness_mm / scan.geometry.spacing_mm[axis]
        weights = _covered(scan.data.shape[axis], times)

        def thick(array: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.moveaxis(np.tensordot(weights, array, (1, axis)), 0, axis).astype(np.float32)

        step = np.eye(4)
        step[axis, axis] = times
        step[axis, 3] = (times - 1) / 2  # the first slice's middle, in the old voxels
        affine = scan.geometry.affine @ step
        covered = thick(mask.astype(np.float32))
        return Degraded(
            regridded(scan, thick(scan.data), affine), (covered > 0.5).astype(np.uint8), np.eye(4)
        )

    return change


def _covered(voxels: int, size: float) -> NDArray[np.float64]:
    """(slices, voxels): what share of each slice, ``size`` voxels thick, each voxel makes up."""
    start = np.arange(int(voxels // size))[:, None] * size
    edge = np.arange(voxels)[None, :]
    overlap = np.minimum(start + size, edge + 1) - np.maximum(start, edge)
    return np.asarray(np.clip(overlap, 0, None) / size)


def rotated(degrees: float, order: int = 1) -> Callable[[Volume, Mask], Degraded]:
    """The head turned about an oblique axis through the brain's middle, on the same grid, by splines of an order."""

    def change(scan: Volume, mask: Mask) -> Degraded:
        affine = scan.geometry.affine
        moved = turn(degrees, affine[:3, :3] @ np.argwhere(mask).mean(0) + affine[:3, 3])
        pull = np.linalg.inv(affine) @ np.linalg.inv(moved) @ affine
        data = ndimage.affine_transform(scan.data, pull[:3, :3], pull[:3, 3], order=order)
        turned = ndimage.affine_transform(mask, pull[:3, :3], pull[:3, 3], order=0)
        return Degraded(scan.with_data(data.astype(np.float32)), turned, moved)

    return change


def there_and_back(degrees: float) -> Callable[[Volume, Mask], Degraded]:
    """The head turned and turned back: where it was, but interpolated twice."""

    def change(scan: Volume, mask: Mask) -> Degraded:
        there = rotated(degrees)(scan, mask)
        assert there.mask is not None
        back = rotated(-degrees)(there.scan, there.mask)
        return replace(back, moved=back.moved @ there.moved)

    return change


def turn(degrees: float, centre_mm: NDArray[np.float64]) -> Affine:
    """(4, 4), the world turned about ``AXIS`` through a point of it."""
    angle, cross = np.radians(degrees), np.cross(np.eye(3), AXIS)
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross  # Rodrigues
    moved = np.eye(4)
    moved[:3, :3] = rotation
    moved[:3, 3] = centre_mm - rotation @ centre_mm
    return moved


def resampled(spacing_mm: float) -> Callable[[Volume, Mask], Degraded]:
    """The scan on cubic voxels of another size, along its own axes, in its own field of view, by linear weights."""

    def change(scan: Volume, mask: Mask) -> Degraded:
        steps = spacing_mm / np.array(scan.geometry.spacing_mm)
        shape = tuple(int(n) for n in np.floor(np.array(scan.data.shape) / steps))
        step = np.diag([*steps, 1.0])
        step[:3, 3] = (steps - 1) / 2  # the first voxel's middle, in the old voxels
        data, inside = (
            ndimage.affine_transform(
                array, step[:3, :3], step[:3, 3], shape, order=1, mode="nearest"
            )
            for array in (scan.data, mask.astype(np.float32))
        )
        affine = scan.geometry.affine @ step
        return Degraded(regridded(scan, data, affine), (inside > 0.5).astype(np.uint8), np.eye(4))

    return change


def noisy(share: float) -> Callable[[Volume, Mask], Degraded]:
    """Rician noise whose SD is a share of white matter's intensity (the brain's 95th percentile)."""

    def change(scan: Volume, mask: Mask) -> Degraded:
        sigma = share * float(np.percentile(scan.data[mask > 0], 95))
        real, imaginary = np.random.default_rng(0).normal(0, sigma, (2, *scan.data.shape))
        data = np.hypot(scan.data + real, imaginary).astype(np.float32)
        return Degraded(scan.with_data(data), mask, np.eye(4))

    return change


def gamma(power: float) -> Callable[[Volume, Mask], Degraded]:
    """Intensities to a power, white matter's brightest staying where it is."""

    def change(scan: Volume, mask: Mask) -> Degraded:
        high = float(np.percentile(scan.data[mask > 0], 99.9))
        data = high * (np.clip(scan.data, 0, None) / high) ** power
        return Degraded(scan.with_data(data.astype(np.float32)), mask, np.eye(4))

    return change


def bias_field(scan: Volume, mask: Mask) -> Degraded:
    """A smooth field over the head whose bright side is some 2.7 times the dark one."""
    affine = scan.geometry.affine
    index = np.stack(np.meshgrid(*map(np.arange, scan.data.shape), indexing="ij"), -1)
    centre = affine[:3, :3] @ np.argwhere(mask).mean(0)
    along = (index @ affine[:3, :3].T - centre) @ AXIS  # mm
    field = np.exp(BIAS * np.sin(2 * np.pi * along / BIAS_WAVE_MM))
    return Degraded(scan.with_data((scan.data * field).astype(np.float32)), mask, np.eye(4))


def other_mask(scan: Volume, _mask: Mask) -> Degraded:
    """The brain as deepbet finds it instead of the mask at hand."""
    return Degraded(scan, None, np.eye(4))


def regridded(scan: Volume, data: NDArray[np.float32], affine: Affine) -> Volume:
    """A scan with other voxels on another grid."""
    x, y, z = data.shape
    geometry = Geometry.of_grid((x, y, z), affine)
    return replace(scan, data=np.ascontiguousarray(data), geometry=geometry)


CONDITIONS: dict[str, tuple[str, Callable[[Volume, Mask], Degraded]]] = {
    "as-is": ("as acquired", as_is),
    "slices": ("3 mm slices", slices(3)),
    "slices-5": ("5 mm slices", slices(5)),
    "rotation": ("rotated by 10°", rotated(10)),
    "rotation-15": ("rotated by 15°", rotated(15)),
    "gamma-0.7": ("gamma 0.7", gamma(0.7)),
    "gamma-1.4": ("gamma 1.4", gamma(1.4)),
    "bias": ("strong bias field", bias_field),
    "deepbet": ("deepbet instead of ROBEX", other_mask),
}
