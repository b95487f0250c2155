"""From class scores on the model's grid to a label map on the scan's, by one inversion.

The geometric steps compose to one affine map between voxel indices. Each voxel of the scan takes the class with the
highest score, the scores interpolated linearly at its place on the model's grid: undoing the steps one by one on labels
would resample them twice. Where the eight voxels around agree on the highest class, so does every mean of them; only
along borders are the 117 scores really interpolated, a slab of the scan at a time.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import embedding_bag

from parcela.imaging.geometry import Affine
from parcela.imaging.trail import GeometryTrail

SLAB_VOXELS = 300_000
CORNERS = torch.tensor(list(product((0, 1), repeat=3)))  # (8, 3)


def to_scan(scores: torch.Tensor, trail: GeometryTrail) -> NDArray[np.uint8]:
    """The label map on the scan's grid.

    Args:
        scores: (I, J, K, C) on the model's grid, channels last; class 0 is the background.
        trail: where the model's grid lies on the scan's.

    Returns:
        (X, Y, Z) uint8, 0 outside the model's grid.
    """
    hard = scores.argmax(-1)
    matrix = trail.scan_to_model()
    labels = np.zeros(trail.scan.shape, np.uint8)
    x, y, z = trail.reached_box()
    step = max(1, SLAB_VOXELS // max(1, (y.stop - y.start) * (z.stop - z.start)))
    for first in range(x.start, x.stop, step):
        slab = (slice(first, min(first + step, x.stop)), y, z)
        labels[slab] = _slab(scores, hard, _places(matrix, slab)).to(torch.uint8).numpy()
    return labels


def _places(matrix: Affine, slab: tuple[slice, slice, slice]) -> torch.Tensor:
    """Where the voxels of a slab of the scan lie on the model's grid: (x, y, z, 3) float64 voxel indices."""
    axes = [torch.arange(part.start, part.stop, dtype=torch.float64) for part in slab]
    index = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    return index @ torch.from_numpy(matrix[:3, :3].T.copy()) + torch.from_numpy(
        matrix[:3, 3].copy()
    )


def _slab(scores: torch.Tensor, hard: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The class of each place, (x, y, z); the edge is held for half a voxel, beyond it is background."""
    size = torch.tensor(hard.shape)
    inside = ((places >= -0.5) & (places <= size - 0.5)).all(-1)
    places = places[inside]  # (n, 3)
    low = places.floor()
    above = (places - low).float()
    corners = (low.long()[:, None] + CORNERS).clamp_(
        min=torch.zeros(3, dtype=torch.long), max=size - 1
    )  # (n, 8, 3)
    rows = (corners * torch.tensor([size[1] * size[2], size[2], 1])).sum(-1)  # (n, 8), flat indices
    around = hard.flatten()[rows]
    found = around[:, 0]
    border = (around != found[:, None]).any(1)
    weights = torch.where(CORNERS.bool(), above[border, None], 1 - above[border, None]).prod(
        -1
    )  # (m, 8)
    table = scores.reshape(-1, scores.shape[-1])
    mixed = embedding_bag(
        rows[border], table, per_sample_weights=weights.to(table.dtype), mode="sum"
    )
    found[border] = mixed.argmax(-1)
    labels = torch.zeros(inside.shape, dtype=torch.long)
    labels[inside] = found
    return labels
