"""The map from a virtual subject's head to Colin27's: an affine within human bounds, then a smooth deformation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.geometry import Affine
from parcela_training.cohorts.virtual.diffeomorphism import Diffeomorphism, random_diffeomorphism
from parcela_training.cohorts.virtual.mould import Mould

Array = NDArray[np.float64]

# Drawn uniformly within these bounds. Colin27 is large: scaled so, the brain mask holds 1.1 to 1.8 litres.
LOG_SCALE = (-0.16, -0.03)
LOG_STRETCH = 0.04  # of each axis, besides
SHEAR = 0.02
TURN_DEGREES = 8.0
SHIFT_MM = 6.0
MARGIN_MM = 30.0  # of the deformation's nodes around Colin27


@dataclass(frozen=True, eq=False)
class Warp:
    """From a virtual subject's world to Colin27's: an affine, then a diffeomorphism (mm to mm, RAS+)."""

    matrix: Affine
    bend: Diffeomorphism

    def __call__(self, points_mm: Array) -> Array:
        """Map points in millimetres, (3, …) to (3, …)."""
        straight = np.tensordot(self.matrix[:3, :3], points_mm, 1)
        return self.bend(straight + self.matrix[:3, 3].reshape(3, *[1] * (points_mm.ndim - 1)))


def random_warp(generator: np.random.Generator, colin: Mould) -> tuple[Warp, dict[str, float]]:
    """A map within human bounds, its Jacobian positive everywhere, and the numbers that say how far it goes."""
    low, high = colin.box_mm
    bend = random_diffeomorphism(generator, low - MARGIN_MM, high + MARGIN_MM)
    scale = generator.uniform(*LOG_SCALE)
    stretch = np.exp(scale + generator.uniform(-LOG_STRETCH, LOG_STRETCH, 3))
    shear = np.eye(3) + np.triu(generator.uniform(-SHEAR, SHEAR, (3, 3)), 1)
    turn = generator.uniform(-TURN_DEGREES, TURN_DEGREES, 3)
    centre = (low + high) / 2
    outwards = np.eye(4)  # Colin27's world to the subject's
    outwards[:3, :3] = _rotation(turn) @ shear @ np.diag(stretch)
    shift = generator.uniform(-SHIFT_MM, SHIFT_MM, 3)
    outwards[:3, 3] = centre + shift - outwards[:3, :3] @ centre
    drawn = {
        "scale": float(np.exp(scale)),
        "turn_degrees": float(np.abs(turn).max()),
        "bend_mm": float(np.linalg.norm(bend.displacement, axis=0).max()),
        "jacobian_min": bend.jacobian[0],
        "jacobian_max": bend.jacobian[1],
    }
    return Warp(np.asarray(np.linalg.inv(outwards), np.float64), bend), drawn


def _rotation(degrees: Array) -> Array:
    """(3, 3): turned about x, then y, then z."""
    turned = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        i, j = (k for k in range(3) if k != axis)
        one = np.eye(3)
        one[i, i] = one[j, j] = np.cos(angle)
        one[i, j], one[j, i] = -np.sin(angle), np.sin(angle)
        turned = one @ turned
    return turned
