"""From class scores on the model's grid to a label map on the scan's: each voxel takes the highest class.

The scores are interpolated linearly at the voxel's place on the model's grid. Where the eight voxels around agree on
the highest class, so does every mean of them; only along borders are the 117 scores really interpolated.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import embedding_bag

from parcela.imaging.to_scan import Offsets, Rows, labels_on_scan, linear_weights
from parcela.imaging.trail import GeometryTrail


def to_scan(
    scores: torch.Tensor, trail: GeometryTrail, highest: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """The label map on the scan's grid.

    Args:
        scores: (I, J, K, C) on the model's grid, channels last; class 0 is the background.
        trail: where the model's grid lies on the scan's.
        highest: ``highest_class(scores)``, where it is known already.

    Returns:
        (X, Y, Z) uint8, 0 outside the model's grid.
    """
    table = scores.reshape(-1, scores.shape[-1])

    def mixed_class(rows: Rows, offsets: Offsets) -> NDArray[np.uint8]:
        weights = torch.from_numpy(linear_weights(offsets.astype(np.float32))).to(table.dtype)
        mixed = embedding_bag(
            torch.from_numpy(rows), table, per_sample_weights=weights, mode="sum"
        )  # (m, C)
        return highest_class(mixed)

    if highest is None:
        highest = highest_class(scores)
    return labels_on_scan(highest, trail, mixed_class)


def highest_class(scores: torch.Tensor) -> NDArray[np.uint8]:
    """The class with the highest score, (…), of scores (…, C)."""
    return scores.argmax(-1).to(torch.uint8).numpy()
