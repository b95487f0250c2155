"""Cross-entropy plus soft Dice over the voxels of a batch, pooled.

Soft Dice gives a region that is never predicted almost no gradient, and plain cross-entropy counts
it by its few voxels; so some cross-entropy is averaged by region as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMOOTHING = 1.0


def segmentation_loss(scores: Tensor, labels: Tensor, balanced_weight: float = 0.0) -> Tensor:
    """Cross-entropy plus one minus Dice, for scores (V, C) and class ids (V,).

    With ``balanced_weight`` also so much of the cross-entropy averaged by class.
    """
    log_chances = scores.float().log_softmax(dim=1)
    own = log_chances.gather(1, labels[:, None])[:, 0]
    truth = torch.bincount(labels, minlength=scores.shape[1]).to(own.dtype)
    loss = soft_dice_loss(log_chances.exp(), labels, truth) - own.mean()
    if balanced_weight:
        by_class = torch.zeros_like(truth).index_add(0, labels, own)
        loss = loss - balanced_weight * (by_class[truth > 0] / truth[truth > 0]).mean()
    return loss


def soft_dice_loss(chances: Tensor, labels: Tensor, truth: Tensor) -> Tensor:
    """One minus the mean soft Dice of the classes that occur, from probabilities (V, C).

    ``truth`` (C,) counts each class among the labels (V,).
    """
    predicted = chances.sum(dim=0)
    own = chances.gather(1, labels[:, None])[:, 0]
    overlap = torch.zeros_like(predicted).index_add(0, labels, own)
    dice = (2 * overlap + SMOOTHING) / (truth + predicted + SMOOTHING)
    return 1 - dice[truth > 0].mean()


def voxels(scores: Tensor, labels: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B, C, …) and labels (B, …) as (V, C) and (V,), where ``inside`` (B, …) is true."""
    return scores.movedim(1, -1)[inside], labels[inside]
