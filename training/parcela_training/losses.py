"""Cross-entropy plus soft Dice over the voxels of a batch, pooled."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMOOTHING = 1.0


def segmentation_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean of cross-entropy and of one minus Dice, for scores (V, C) and class ids (V,)."""
    scores = scores.float()
    return functional.cross_entropy(scores, labels) + soft_dice_loss(scores, labels)


def soft_dice_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """One minus the mean soft Dice of the classes that occur among the labels."""
    chances = scores.softmax(dim=1)
    classes = scores.shape[1]
    truth = torch.bincount(labels, minlength=classes).to(chances.dtype)
    predicted = chances.sum(dim=0)
    own = chances.gather(1, labels[:, None])[:, 0]
    overlap = torch.zeros_like(predicted).index_add(0, labels, own)
    dice = (2 * overlap + SMOOTHING) / (truth + predicted + SMOOTHING)
    return 1 - dice[truth > 0].mean()


def voxels(scores: Tensor, labels: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B, C, …) and labels (B, …) as (V, C) and (V,), where ``inside`` (B, …) is true."""
    return scores.movedim(1, -1)[inside], labels[inside]
