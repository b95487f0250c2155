"""Changes of image and labels together: affine, smooth warp, left–right flip. Volumes (I, J, K)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from parcela.atlas.aal import flip_table
from parcela_training.augmentation.rng import Draws

CONTROL_VOXELS = 24  # from one free point of the warp to the next
FINER = 4  # points between two free ones, where the warp is smoothed

Volumes = tuple[Tensor, Tensor]


def move(image: Tensor, label: Tensor, grid: Tensor) -> Volumes:
    """Sample at ``grid`` (I, J, K, 3): the image linearly, each label from the nearest voxel."""
    moved = functional.grid_sample(image[None, None], grid[None], align_corners=False)[0, 0]
    labels = label[None, None].float()
    taken = functional.grid_sample(labels, grid[None], mode="nearest", align_corners=False)[0, 0]
    return moved, taken.to(label.dtype)


def affine_grid(image: Tensor, draws: Draws, degrees: float, scale: float, shift: float) -> Tensor:
    """Where each voxel comes from under a random rotation, scaling and shift: (I, J, K, 3).

    In ``grid_sample``'s terms: the axes K, J, I, each from −1 to 1.
    """
    matrix = _random_matrix(image.shape, draws, degrees, scale, shift).to(image.device)
    return functional.affine_grid(matrix[None], [1, 1, *image.shape], align_corners=False)[0]


def warp(image: Tensor, draws: Draws, voxels: float) -> Tensor:
    """A smooth random displacement (I, J, K, 3) in ``grid_sample``'s terms; SD at most ``voxels``."""
    points = [size // CONTROL_VOXELS + 3 for size in image.shape]
    coarse = draws.normal(1, 3, *points)
    field = functional.interpolate(coarse, [FINER * n for n in points], mode="trilinear")
    for _ in range(2):  # with the interpolation nearly a cubic spline: no kinks, no folds
        field = functional.avg_pool3d(field, FINER + 1, 1, FINER // 2, count_include_pad=False)
    field = field / field.std().clamp_min(1e-6) * draws.uniform(0, voxels)
    field = functional.interpolate(field, tuple(image.shape), mode="trilinear")[0].movedim(0, -1)
    extent = torch.tensor([2.0 / size for size in reversed(image.shape)], device=image.device)
    return field * extent


def flip(image: Tensor, label: Tensor) -> Volumes:
    """Left and right swapped along the first axis (RAS+: left to right), regions renamed to match."""
    partner = opposite().to(label.device)
    return image.flip(0), partner[label.flip(0).long()].to(label.dtype)


def opposite() -> Tensor:
    """The atlas's ``flip_table`` as an index, (117,) int64."""
    return torch.from_numpy(flip_table()).long()


def _random_matrix(
    shape: torch.Size, draws: Draws, degrees: float, scale: float, shift: float
) -> Tensor:
    """A (3, 4) matrix in ``affine_grid``'s normalised axes (K, J, I)."""
    limit = math.radians(degrees)
    turn = torch.eye(3)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle = draws.uniform(-limit, limit)
        plane = torch.eye(3)
        plane[first, first] = plane[second, second] = math.cos(angle)
        plane[first, second], plane[second, first] = -math.sin(angle), math.sin(angle)
        turn = turn @ plane
    scales = torch.tensor([draws.uniform(-scale, scale) for _ in range(3)]).exp()
    extent = torch.tensor([float(size) for size in reversed(shape)])
    matrix = (turn * scales) * extent[None, :] / extent[:, None]
    shifts = torch.tensor([draws.uniform(-shift, shift) for _ in range(3)])
    return torch.cat([matrix, shifts[:, None]], dim=1)
