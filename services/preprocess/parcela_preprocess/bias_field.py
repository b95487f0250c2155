"""N4 (Tustison 2010, doi:10.1109/TMI.2010.2046908) inside a mask: ITK's numbers in a hundredth of its time.

N4 looks at every fourth voxel along each axis. On such a regular grid its B-spline approximation (Lee 1997,
doi:10.1109/2945.620490) is a product with three small matrices, which ITK does point by point. What comes out is a
spline, known at every voxel, beyond the mask too. All constants are the defaults of antspyx and ITK, which the
networks were trained with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.geometry import box_of

Array = NDArray[np.float64]
Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

SHRINK = 4  # every so many voxels of an axis, one counts
LEVELS = 4  # one span of the spline over the whole grid, then each halved
ITERATIONS = 50  # of a level, at most
TOLERANCE = 1e-7  # of the change's coefficient of variation: a level ends below it
BINS = 200  # of the histogram of log intensities
FWHM = 0.15  # of the Gaussian by which the field is taken to blur that histogram
NOISE = 0.01  # of Wiener's filter


def without_bias(image: Image, mask: Mask) -> Image:
    """A brain divided by its bias field.

    Args:
        image: (X, Y, Z) intensities of any spacing, 0 outside the mask; one that is not above 0 counts as 1, as in ITK.
        mask: (X, Y, Z), the brain.
    """
    if not mask.any():
        return image
    box = box_of(mask)
    corrected = image.copy()
    corrected[box] *= np.exp(-log_field(image, mask, box))
    return corrected


def log_field(image: Image, mask: Mask, box: Sequence[slice]) -> Image:
    """The natural logarithm of a bias field up to a constant, in a box of the grid; the rest as ``without_bias``."""
    few = mask[tuple(map(_every_fourth, image.shape))]
    values = image[tuple(map(_every_fourth, image.shape))][few].astype(np.float64)
    logs = np.log(np.where(values > 0, values, 1))
    halfway: list[Image] = []  # each level's spline along x and y, (C, X, Y)
    last: list[Image] = []  # and its weights along z, (Z, C)
    for level in range(LEVELS):
        spline = [_cubic(n, 2**level) for n in few.shape]
        lattice = _fit(logs, few, spline) if few.any() else np.zeros([len(w.T) for w in spline])
        logs -= _product(lattice, spline)[few]
        x, y, z = (_cubic(n, 2**level)[part] for n, part in zip(image.shape, box, strict=True))
        halfway.append(_product(lattice, [x, y]).astype(np.float32))
        last.append(z.astype(np.float32))
    field = np.tensordot(np.concatenate(halfway), np.concatenate(last, axis=1), (0, 1))
    return np.asarray(field, np.float32)


def _every_fourth(size: int) -> slice:
    """The voxels of an axis that count: those at the middles of fours, which are about the axis's middle."""
    count = max(1, size // SHRINK)
    first = min((size - count * SHRINK) // 2 + SHRINK // 2, size - 1) if size >= SHRINK else 0
    return slice(first, first + (count - 1) * SHRINK + 1, SHRINK)


def _fit(logs: Array, mask: Mask, spline: Sequence[Array]) -> Array:
    """One level: the control points that the iterations add up to, (A, B, C).

    Args:
        logs: (n,) log intensities inside the mask.
        mask: (I, J, K).
        spline: weights of the control points along each axis, (I, A), (J, B), (K, C).
    """
    evidence = _product(mask.astype(np.float64), [(axis**2).T for axis in spline])
    approximation = [(axis**3 / (axis**2).sum(1, keepdims=True)).T for axis in spline]
    total = np.zeros_like(evidence)
    residual = np.zeros(mask.shape)
    for _ in range(ITERATIONS):
        residual[mask] = logs - sharpened(logs)
        lattice = np.zeros_like(evidence)
        np.divide(_product(residual, approximation), evidence, out=lattice, where=evidence > 0)
        total += lattice
        change = _product(lattice, spline)[mask]
        logs = logs - change
        factor = np.exp(change)
        if factor.std() <= TOLERANCE * factor.mean():
            break
    return total


def sharpened(logs: Array) -> Array:
    """The log intensities, (n,), to be expected without a field: their histogram is deconvolved by a Gaussian."""
    low, high = float(logs.min()), float(logs.max())
    width = (high - low) / (BINS - 1)  # of a bin
    if width <= 0:
        return logs
    places = (logs - low) / width
    below = np.minimum(places.astype(np.intp), BINS - 2)
    above = places - below
    histogram = np.bincount(below, 1 - above, BINS) + np.bincount(below + 1, above, BINS)
    size = 2 ** (int(np.ceil(np.log2(BINS))) + 1)  # with room for the Gaussian at both ends
    first = (size - BINS) // 2
    blur = np.fft.fft(_gaussian(size, FWHM / width))
    wiener = (blur.conj() / (blur.conj() * blur + NOISE)).real
    counts = np.zeros(size)
    counts[first : first + BINS] = histogram
    sharp = np.maximum(np.fft.ifft(np.fft.fft(counts) * wiener).real, 0)
    values = low + (np.arange(size) - first) * width
    blurred, blurred_values = (
        np.fft.ifft(np.fft.fft(part) * blur).real[first : first + BINS]
        for part in (sharp, sharp * values)
    )
    expected = np.zeros(BINS)
    np.divide(blurred_values, blurred, out=expected, where=blurred != 0)
    return np.asarray(expected[below] + above * (expected[below + 1] - expected[below]))


def _gaussian(size: int, fwhm: float) -> Array:
    """A circular one about the first of ``size`` places."""
    away = np.minimum(np.arange(size), size - np.arange(size)) / fwhm
    return np.asarray(2 * np.sqrt(np.log(2) / np.pi) / fwhm * np.exp(-4 * np.log(2) * away**2))


def _cubic(size: int, spans: int) -> Array:
    """Weights of a uniform cubic B-spline's control points, (size, spans + 3), on the places of an axis."""
    places = np.linspace(0, spans, size) if size > 1 else np.full(1, spans / 2)
    away = np.abs(places[:, None] - np.arange(-1, spans + 2))
    near = 2 / 3 - away**2 + away**3 / 2
    return np.asarray(np.where(away < 1, near, np.maximum(2 - away, 0) ** 3 / 6))


def _product(array: Array, matrices: Sequence[Array]) -> Array:
    """An array, (I, J, K), times a matrix on each axis: (A, I), (B, J) and (C, K) give (A, B, C)."""
    for matrix in matrices:  # the first axis goes last each time: two matrices alone give (K, A, B)
        array = np.asarray(np.tensordot(array, matrix, (0, 1)))
    return array
