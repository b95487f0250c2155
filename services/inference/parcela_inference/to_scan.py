"""From class scores on the model's grid to a label map on the scan's: each voxel takes the highest class.

The scores are interpolated linearly at the voxel's place on the model's grid, block by block, in each for the classes
that can be the highest there alone. Where the axes of the two grids are the same, which they are but for a sheared
scan, that is one small product of matrices along each.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from parcela.imaging.to_scan import (
    Offsets,
    Rows,
    labels_on_scan,
    linear_weights,
    places_along_axes,
)
from parcela.imaging.trail import GeometryTrail
from parcela_inference.block_scores import EDGE, Block, BlockScores, on_one_thread


@on_one_thread()
def to_scan(scores: BlockScores, trail: GeometryTrail) -> NDArray[np.uint8]:
    """The label map on the scan's grid.

    Args:
        scores: on the model's grid; class 0 is the background.
        trail: where the model's grid lies on the scan's.

    Returns:
        (X, Y, Z) uint8, 0 outside the model's grid.
    """
    axes = places_along_axes(trail)
    if axes is None:
        return _by_corners(scores, trail)
    on_scan = np.zeros(trail.scan.shape, np.uint8)
    on_model_axes = on_scan.transpose([axis.of_scan for axis in axes])
    for place in scores.places():
        parts = [
            axis.between(EDGE * n, EDGE * (n + 1)) for n, axis in zip(place, axes, strict=True)
        ]
        if all(part.stop > part.start for part in parts) and (block := scores.with_next(place)):
            x, y, z = parts
            offsets = [
                axis.at(part) - EDGE * n for n, axis, part in zip(place, axes, parts, strict=True)
            ]
            on_model_axes[x, y, z] = _highest_at(block, offsets)
    return on_scan


def _highest_at(block: Block, offsets: list[NDArray[np.float64]]) -> NDArray[np.uint8]:
    """The class with the highest score at each of the places that lie so far along each axis, (x, y, z)."""
    if len(block.classes) == 1:
        return np.full([len(each) for each in offsets], int(block.classes), np.uint8)
    mixed = block.scores  # (m, i, j, k)
    for each in offsets:  # (m, j, k, x), then (m, k, x, y), then (m, x, y, z)
        mixed = torch.tensordot(mixed, _weights(each, mixed.shape[1]), dims=([1], [1]))
    return np.asarray(block.classes.numpy()[mixed.numpy().argmax(0)], np.uint8)  # PyTorch's is slow


def _weights(offsets: NDArray[np.float64], size: int) -> Tensor:
    """The share of each of ``size`` voxels at (n,) places between them, (n, size)."""
    distance = np.abs(offsets[:, None] - np.arange(size))
    return torch.from_numpy(np.maximum(0, 1 - distance).astype(np.float32))


def _by_corners(scores: BlockScores, trail: GeometryTrail) -> NDArray[np.uint8]:
    """The same between any two grids: along borders each place is mixed from the eight voxels around it."""

    def mixed_class(rows: Rows, offsets: Offsets) -> NDArray[np.uint8]:
        weights = torch.from_numpy(linear_weights(offsets.astype(np.float32)))
        corners = np.stack(np.unravel_index(rows, scores.shape), -1)  # (n, 8, 3)
        places = corners[:, 0] // EDGE
        chosen = np.zeros(len(rows), np.uint8)
        for place in np.unique(places, axis=0):
            (here,) = np.nonzero((places == place).all(1))
            block = scores.with_next(tuple(place.tolist()))
            if block is not None:
                within = np.moveaxis(corners[here] - EDGE * place, -1, 0)
                local = np.ravel_multi_index(tuple(within), block.scores.shape[1:])
                chosen[here] = _mixed_highest(block, torch.from_numpy(local), weights[here])
        return chosen

    return labels_on_scan(scores.highest()[1], trail, mixed_class)


def _mixed_highest(block: Block, rows: Tensor, weights: Tensor) -> NDArray[np.uint8]:
    """The class with the highest score of each mixture of a block's voxels, both (n, 8)."""
    table = block.scores.flatten(1).T.contiguous()  # (voxels, m)
    mixed = embedding_bag(rows, table, per_sample_weights=weights, mode="sum")
    return np.asarray(block.classes.numpy()[mixed.argmax(-1).numpy()], np.uint8)
