"""The affine that a label map stands for: what the first of the two networks learns, and the second begins with."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from parcela.atlas.aal import CLASS_COUNT
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import centres
from parcela_training.augmentation.rng import Draws

FEWEST_VOXELS = 20  # of a region that has a say
TURN_DEGREES, STRETCH, SHEAR, SHIFT_MM = 0.9, 0.009, 0.003, 0.9  # SD: how a pose may be off


def centroids(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The places of the regions' centres in a label map (I, J, K): (117, 3), and how many voxels each has, (117,)."""
    i, j, k = labels.shape
    held = labels.flatten().long()
    counts = torch.bincount(held, minlength=CLASS_COUNT)[:CLASS_COUNT]
    sums = torch.zeros(CLASS_COUNT, 3).index_add_(0, held, centres((i, j, k)).flatten(0, 2))
    return sums / counts.clamp_min(1)[:, None], counts


@cache
def atlas_centroids() -> Tensor:
    """The same of the atlas's regions, in its own places: (117, 3)."""
    box = atlas_box()
    i, j, k = box.labels.shape
    voxels, _ = centroids(box.labels)
    return box.places((voxels + 1) / 2 * torch.tensor([i, j, k]) - 0.5)


def pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Where the regions of a label map (I, J, K) have their centres, and where the atlas has them: (n, 3) each."""
    found, counts = centroids(labels)
    counts[0] = 0
    held = counts >= FEWEST_VOXELS
    return found[held], atlas_centroids()[held]


def disturbed(affine: Tensor, draws: Draws) -> Tensor:
    """The affine of a pose that is a little off, as the first network's is."""
    half_mm = atlas_box().size_mm.double() / 2
    a, b, c = (torch.randn(3, generator=draws.generator) * math.radians(TURN_DEGREES)).tolist()
    turn = torch.linalg.matrix_exp(
        torch.tensor([[0, -c, b], [c, 0, -a], [-b, a, 0]], dtype=torch.float64)
    )
    stretch = 1 + STRETCH * torch.randn(3, generator=draws.generator)
    linear = turn * stretch + SHEAR * torch.randn(3, 3, generator=draws.generator)
    off, whole = torch.eye(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    off[:3, :3] = linear * half_mm / half_mm[:, None]
    off[:3, 3] = SHIFT_MM * torch.randn(3, generator=draws.generator) / half_mm
    whole[:3] += affine
    return ((off @ whole)[:3] - torch.eye(4)[:3]).float()
