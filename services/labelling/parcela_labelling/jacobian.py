"""How much a deformation shrinks or swells each place, and where it folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parcela_labelling.transforms import LPS, Field


def jacobian_determinant(field: Field) -> NDArray[np.float64]:
    """Determinant of the derivative of ``x + u(x)`` at each voxel, (I, J, K).

    1 keeps volumes, 2 doubles them, 0 and below folds space onto itself. Differences are central.
    """
    to_index = np.linalg.inv(field.affine[:3, :3])
    derivative = np.empty((*field.vectors_mm.shape[:3], 3, 3))
    for axis in range(3):
        by_index = np.gradient(field.vectors_mm[..., axis].astype(np.float64) * LPS[axis])
        derivative[..., axis, :] = np.stack(by_index, -1) @ to_index
    derivative += np.eye(3)
    return np.asarray(np.linalg.det(derivative))
