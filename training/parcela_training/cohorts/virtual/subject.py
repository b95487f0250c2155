"""One virtual subject: Mould bent into someone else's head, and AAL's labels bent by the very same map.

The truth is known exactly: a voxel's label is the one AAL has at the point of Colin27 that the voxel shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.imaging.geometry import Affine
from parcela_training.cohorts.virtual.mould import Mould, mould
from parcela_training.cohorts.virtual.warp import random_warp

Extent = Literal["brain", "head"]
Array = NDArray[np.float64]

# Drawn uniformly within these bounds.
LOG_GAMMA = 0.25
BIAS = (0.02, 0.12)  # standard deviation of the logarithm
NOISE = (0.01, 0.04)  # standard deviation, white matter being 1
WHITE = (500.0, 1500.0)  # the stored intensity of white matter

BOX_MM = {  # first and last corner of the scan's grid
    "brain": ((-88.0, -124.0, -84.0), (88.0, 92.0, 100.0)),
    "head": ((-96.0, -136.0, -92.0), (96.0, 104.0, 116.0)),
}
BIAS_MM = 50.0  # smoothness of the bias field


@dataclass(frozen=True, eq=False)
class VirtualSubject:
    """A scan, its truth, and how both were drawn.

    Attributes:
        scan: (X, Y, Z) int16 intensities.
        labels: (X, Y, Z) ids 0 to 116.
        mask: (X, Y, Z) the brain.
        affine: (4, 4), voxel index to world mm, RAS+.
        drawn: the numbers drawn, for the record.
    """

    scan: NDArray[np.int16]
    labels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    affine: Affine
    drawn: dict[str, float]


def virtual_subject(
    seed: int, number: int, *, spacing_mm: float = 2.0, extent: Extent = "brain"
) -> VirtualSubject:
    """Draw subject ``number`` of the cohort ``seed``; the same two numbers always give the same arrays.

    Args:
        seed, number: 0 or more. Shape and contrast do not depend on ``spacing_mm`` and ``extent``, the noise does.
        spacing_mm: of the cubic voxels.
        extent: ``brain``, skull-stripped, 0 outside; or the whole ``head``.

    Raises:
        Unavailable: the atlas is missing or damaged.
    """
    colin, generator = mould(), np.random.default_rng([seed, number])
    warp, drawn = random_warp(generator, colin)
    gamma = float(np.exp(generator.uniform(-LOG_GAMMA, LOG_GAMMA)))
    bias_seed, bias, noise, white = (
        int(generator.integers(2**32)),
        *(float(generator.uniform(*bounds)) for bounds in (BIAS, NOISE, WHITE)),
    )
    affine, shape = _grid(spacing_mm, extent)
    indices = np.indices(shape).astype(np.float64)
    world = indices * spacing_mm + affine[:3, 3].reshape(3, 1, 1, 1)
    where = warp(world) - colin.affine[:3, 3].reshape(3, 1, 1, 1)  # Colin27's voxels: 1 mm, RAS+
    labels, mask = (
        ndimage.map_coordinates(a, where, order=0, mode="constant")
        for a in (colin.labels, colin.mask.astype(np.uint8))
    )
    image = ndimage.map_coordinates(_blurred(colin, spacing_mm), where, order=1, mode="constant")
    image = np.clip(image, 0, None) ** gamma * np.exp(bias * _bias_field(bias_seed, world))
    image = _rician(image, noise, generator)
    if extent == "brain":
        image = image * mask
    drawn |= {"gamma": gamma, "bias": bias, "noise": noise, "white": white}
    drawn["brain_ml"] = float(np.count_nonzero(mask) * spacing_mm**3 / 1000)
    scan = np.round(np.clip(image * white, 0, 32767)).astype(np.int16)
    return VirtualSubject(scan, labels, mask.astype(bool), affine, drawn)


def _grid(spacing_mm: float, extent: Extent) -> tuple[Affine, tuple[int, int, int]]:
    low, high = (np.asarray(corner) for corner in BOX_MM[extent])
    x, y, z = (int(n) for n in np.floor((high - low) / spacing_mm + 1e-6) + 1)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = low
    return affine, (x, y, z)


def _blurred(colin: Mould, spacing_mm: float) -> NDArray[np.float32]:
    """The head as a voxel of this size averages it (partial volume): Mould's own are 1 mm."""
    sigma = 0.42 * np.sqrt(max(spacing_mm**2 - 1, 0))  # FWHM of one voxel, less Colin27's own
    return np.asarray(ndimage.gaussian_filter(colin.head, sigma)) if sigma else colin.head


def _bias_field(seed: int, world: Array) -> Array:
    """(X, Y, Z), smooth over 5 cm, standard deviation about 1: a sum of waves through the world."""
    generator = np.random.default_rng(seed)
    total = np.zeros(world.shape[1:])
    for _ in range(8):
        wave = generator.standard_normal(3) / BIAS_MM
        phase = np.tensordot(wave, world, 1) + generator.uniform(0, 2 * np.pi)
        total += np.cos(phase) / 2
    return total


def _rician(image: Array, noise: float, generator: np.random.Generator) -> Array:
    """The magnitude of a complex signal with Gaussian noise (Gudbjartsson & Patz 1995, doi:10.1002/mrm.1910340618)."""
    real = image + noise * generator.standard_normal(image.shape)
    return np.hypot(real, noise * generator.standard_normal(image.shape))
