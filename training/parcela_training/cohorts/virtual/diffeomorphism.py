"""Smooth random diffeomorphisms: flows of a stationary velocity field, by scaling and squaring.

Arsigny et al. 2006, doi:10.1007/11866565_113; Ashburner 2007, doi:10.1016/j.neuroimage.2007.07.007.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.errors import StepFailed

Array = NDArray[np.float64]

NODE_MM = 4.0  # spacing of the nodes the flow is stored on
FLOWS = ((24.0, 2.8), (10.0, 0.9))  # (smoothing in mm, velocity in mm: standard deviation)
SQUARINGS = 6
LEAST_JACOBIAN = 0.1
SLOWER, TRIES = 0.8, 12


@dataclass(frozen=True, eq=False)
class Diffeomorphism:
    """x → x + displacement(x), smooth, invertible, no folds.

    Attributes:
        displacement: (3, X, Y, Z) in mm, on nodes 4 mm apart; linear between them, constant outside.
        first_mm: (3,) world coordinates of node (0, 0, 0); node axes are the world's.
        jacobian: smallest and largest determinant of the derivative between neighbouring nodes.
    """

    displacement: Array
    first_mm: Array
    jacobian: tuple[float, float]

    def __call__(self, points_mm: Array) -> Array:
        """Where points go: (3, …) world mm to (3, …) world mm."""
        nodes = (points_mm - self.first_mm.reshape(3, *[1] * (points_mm.ndim - 1))) / NODE_MM
        return points_mm + _sampled(self.displacement, nodes)


def random_diffeomorphism(
    generator: np.random.Generator, low_mm: Array, high_mm: Array
) -> Diffeomorphism:
    """Draw one over a box of the world, (3,) and (3,) mm.

    A field whose flow compresses space below a tenth of its volume anywhere is slowed down until it does not.

    Raises:
        StepFailed: even a field slowed down twelve times folds (not met).
    """
    shape = tuple(int(n) for n in np.ceil((high_mm - low_mm) / NODE_MM).astype(int) + 1)
    velocity = np.zeros((3, *shape))
    for sigma, speed in FLOWS:
        velocity += speed * _smooth(generator, shape, sigma)
    for _ in range(TRIES):
        displacement = _flow(velocity)
        jacobian = _jacobian_range(displacement)
        if jacobian[0] > LEAST_JACOBIAN:
            return Diffeomorphism(displacement, np.asarray(low_mm, np.float64), jacobian)
        velocity *= SLOWER
    raise StepFailed("the random deformation folds space: choose another seed")


def _smooth(generator: np.random.Generator, shape: tuple[int, ...], sigma_mm: float) -> Array:
    """(3, *shape) of Gaussian noise, smooth over ``sigma_mm``, standard deviation 1."""
    noise = generator.standard_normal((3, *shape))
    smoothed = ndimage.gaussian_filter(noise, (0, *[sigma_mm / NODE_MM] * 3), mode="reflect")
    return np.asarray(smoothed / smoothed.std())


def _flow(velocity: Array) -> Array:
    """The displacement after unit time: a small step, composed with itself again and again."""
    nodes = np.indices(velocity.shape[1:]).astype(np.float64)
    displacement = velocity / 2**SQUARINGS
    for _ in range(SQUARINGS):
        displacement = displacement + _sampled(displacement, nodes + displacement / NODE_MM)
    return np.asarray(displacement)


def _sampled(field: Array, nodes: Array) -> Array:
    """A (3, X, Y, Z) field at fractional nodes (3, …)."""
    return np.stack(
        [ndimage.map_coordinates(part, nodes, order=1, mode="nearest") for part in field]
    )


def _jacobian_range(displacement: Array) -> tuple[float, float]:
    """The extremes of the determinant at the corners of all cells between nodes.

    In a cell the map is trilinear: at each of its eight corners the derivatives are differences along the three edges
    that meet there.
    """
    low, high = np.inf, -np.inf
    for corner in product((0, 1), repeat=3):
        x, y, z = (_edge(displacement, axis, corner) for axis in range(3))
        determinant = (x * np.cross(y, z, axis=0)).sum(0)
        low, high = min(low, determinant.min()), max(high, determinant.max())
    return float(low), float(high)


def _edge(displacement: Array, axis: int, corner: tuple[int, ...]) -> Array:
    """The map's derivative along ``axis``, (3, X-1, Y-1, Z-1), on the edges that touch this corner of each cell."""
    derivative = np.diff(displacement, axis=axis + 1) / NODE_MM
    derivative[axis] += 1
    cut = tuple(
        slice(None) if k == axis else slice(corner[k], displacement.shape[k + 1] - 1 + corner[k])
        for k in range(3)
    )
    return np.asarray(derivative[(slice(None), *cut)])
