"""Cross-entropy plus soft Dice over the voxels of a batch, pooled.

Soft Dice gives a region that is never predicted almost no gradient, and plain cross-entropy counts
it by its few voxels; so some cross-entropy is averaged by region as well.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SMOOTHING = 1.0

Pool = Callable[[Tensor], Tensor]  # sums over what else is in the batch; gradients flow through it


def alone(sums: Tensor) -> Tensor:
    """The sums of a batch that is all there is."""
    return sums


def segmentation_loss(
    scores: Tensor,
    labels: Tensor,
    balanced_weight: float = 0.0,
    pool: Pool = alone,
    *,
    cross_entropy: bool = True,
) -> Tensor:
    """Cross-entropy plus one minus Dice, for scores (V, C) and class ids (V,).

    With ``balanced_weight`` also so much of the cross-entropy averaged by class. Without
    ``cross_entropy`` Dice alone. Everything follows from sums by class, (C,), which ``pool`` may add
    to those of other processes.
    """
    log_chances = scores.float().log_softmax(dim=1)
    truth = pool(torch.bincount(labels, minlength=scores.shape[1]).to(log_chances.dtype))
    loss = soft_dice_loss(log_chances.exp(), labels, truth, pool)
    if not cross_entropy:
        return loss
    true_log_chances = log_chances.gather(1, labels[:, None])[:, 0]
    by_class = pool(torch.zeros_like(truth).index_add(0, labels, true_log_chances))
    occurs = truth > 0
    loss = loss - by_class.sum() / truth.sum()
    if balanced_weight:
        loss = loss - balanced_weight * (by_class[occurs] / truth[occurs]).mean()
    return loss


def soft_dice_loss(chances: Tensor, labels: Tensor, truth: Tensor, pool: Pool = alone) -> Tensor:
    """One minus the mean soft Dice of the classes that occur, from probabilities (V, C).

    ``truth`` (C,) counts each class among the labels (V,), pooled already.
    """
    true_chances = chances.gather(1, labels[:, None])[:, 0]
    overlap = pool(torch.zeros_like(truth).index_add(0, labels, true_chances))
    predicted = pool(chances.sum(dim=0))
    dice = (2 * overlap + SMOOTHING) / (truth + predicted + SMOOTHING)
    return 1 - dice[truth > 0].mean()


def voxels(scores: Tensor, labels: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B, C, …) and labels (B, …) as (V, C) and (V,), where ``inside`` (B, …) is true."""
    return scores.movedim(1, -1)[inside], labels[inside]
