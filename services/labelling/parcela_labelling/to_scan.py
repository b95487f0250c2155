"""From a label map on the model's grid to one on the scan's: along borders the eight voxels around a place vote.

Each vote has the weight of linear interpolation. It is what `parcela_inference.to_scan` does with class scores, for
labels alone: each counts as a score of 1 where it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parcela.imaging.to_scan import Offsets, Rows, labels_on_scan, linear_weights
from parcela.imaging.trail import GeometryTrail


def to_scan(labels: NDArray[np.uint8], trail: GeometryTrail) -> NDArray[np.uint8]:
    """The label map on the scan's grid.

    Args:
        labels: (I, J, K) on the model's grid, 0 the background.
        trail: where the model's grid lies on the scan's.

    Returns:
        (X, Y, Z) uint8, 0 outside the model's grid.
    """
    flat = labels.ravel()

    def voted(rows: Rows, offsets: Offsets) -> NDArray[np.uint8]:
        return _vote(flat[rows], linear_weights(offsets))

    return labels_on_scan(labels, trail, voted)


def _vote(around: NDArray[np.uint8], weights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The label with the largest share of each place, (m,), the lowest of those that are equal.

    Args:
        around: (m, 8) labels of the neighbours.
        weights: (m, 8) their shares.
    """
    shares = np.zeros(around.shape)
    for corner in range(around.shape[1]):
        shares += (around == around[:, corner, None]) * weights[:, corner, None]
    largest = shares >= shares.max(1, keepdims=True) - 1e-9
    lowest: NDArray[np.uint8] = np.where(largest, around, np.uint8(255)).min(1)
    return lowest
