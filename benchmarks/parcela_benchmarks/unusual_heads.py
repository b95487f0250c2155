"""Heads as they are not in the training: turned, larger or smaller, cut off, with a lesion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]  # (I, J, K) on the model's grid, 0 outside the brain

DEGREES = 15
UPRIGHT = "as it is"


def turned(image: Image, axis: int, degrees: float = DEGREES) -> Image:
    """The brain turned about an axis, and its new box scaled to the grid, as the preprocessing does."""
    matrix = np.eye(3)
    first, second = (other for other in range(3) if other != axis)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[[first, second], [first, second]] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    middle = (np.array(image.shape) - 1) / 2
    return _into_box(image, matrix, (np.argwhere(image > 0) - middle) @ matrix.T, middle)


def scaled(image: Image, factor: float) -> Image:
    """Larger or smaller about the grid's middle: what reaches beyond the grid is lost."""
    middle = (np.array(image.shape) - 1) / 2
    return _resampled(image, np.eye(3) / factor, middle - middle / factor)


def cut_off(image: Image, axis: int, share: float) -> Image:
    """Without a part at an axis's lower end, the rest's box scaled to the grid: a field of view that is too small."""
    image = image.copy()
    np.moveaxis(image, axis, 0)[: int(share * image.shape[axis])] = 0
    middle = (np.array(image.shape) - 1) / 2
    return _into_box(image, np.eye(3), np.argwhere(image > 0) - middle, middle)


def with_lesion(image: Image, value: float, radius: int = 14) -> Image:
    """A ball in one hemisphere of one intensity: 0 as after surgery, more as in a stroke."""
    centre = np.array(image.shape) * (0.7, 0.45, 0.6)
    axes = np.ogrid[tuple(slice(size) for size in image.shape)]
    inside = sum((axis - at) ** 2 for axis, at in zip(axes, centre, strict=True)) < radius**2
    return np.where(inside & (image > 0), value, image).astype(np.float32)


def _into_box(
    image: Image,
    matrix: NDArray[np.float64],
    moved: NDArray[np.float64],
    middle: NDArray[np.float64],
) -> Image:
    """Turned by a matrix about the middle, with the box of the (n, 3) moved voxels scaled to the whole grid."""
    low, high = moved.min(0), moved.max(0)
    back = np.linalg.inv(matrix)
    scale = (high - low) / (np.array(image.shape) - 1)
    return _resampled(image, back @ np.diag(scale), back @ low + middle)


def _resampled(image: Image, matrix: NDArray[np.float64], offset: NDArray[np.float64]) -> Image:
    inside = ndimage.affine_transform((image > 0).astype(np.float32), matrix, offset, order=1) > 0.5
    values = ndimage.affine_transform(image, matrix, offset, order=1)
    return np.asarray(np.where(inside, np.clip(values, 1e-3, 1), 0), np.float32)


UNUSUAL: Mapping[str, Callable[[Image], Image]] = {
    UPRIGHT: lambda image: image,
    **{
        f"turned by {DEGREES}° about {name}": partial(turned, axis=axis)
        for axis, name in enumerate("xyz")
    },
    **{
        f"turned by −{DEGREES}° about {name}": partial(turned, axis=axis, degrees=-DEGREES)
        for axis, name in enumerate("xyz")
    },
    "scaled by 0.9": partial(scaled, factor=0.9),
    "scaled by 1.1": partial(scaled, factor=1.1),
    "without its lowest fifth": partial(cut_off, axis=2, share=0.2),
    "without its foremost fifth": lambda image: np.ascontiguousarray(
        cut_off(image[:, ::-1], 1, 0.2)[:, ::-1]
    ),
    "a dark lesion": partial(with_lesion, value=0.05),
    "a hole": partial(with_lesion, value=0.0),
}
