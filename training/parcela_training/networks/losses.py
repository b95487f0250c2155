"""Cross-entropy plus soft Dice over the voxels of a batch, pooled.

Soft Dice gives a region that is never predicted almost no gradient, and plain cross-entropy counts
it by its few voxels; so some cross-entropy is averaged by region as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

SMOOTHING = 1.0

Pool = Callable[[Tensor], Tensor]  # sums over what else is in the batch; gradients flow through it


class ClassSums(NamedTuple):
    """All that the loss needs of some voxels: four sums by class, each (C,). They add up over parts of a volume.

    Attributes:
        truth: voxels with this label.
        predicted: the class's probability, over all voxels.
        overlap: the same, over the voxels with this label.
        log_chances: its logarithm, over the voxels with this label.
    """

    truth: Tensor
    predicted: Tensor
    overlap: Tensor
    log_chances: Tensor


def alone(sums: Tensor) -> Tensor:
    """The sums of a batch that is all there is."""
    return sums


def class_sums(scores: Tensor, labels: Tensor, pool: Pool = alone) -> ClassSums:
    """The sums over some voxels: scores (V, C), and labels (V,) as indices of the C classes.

    ``pool`` may add the sums of other processes to each.
    """
    log_chances = scores.float().log_softmax(dim=1)
    truth = torch.bincount(labels, minlength=scores.shape[1]).to(log_chances.dtype)
    true_log_chances = log_chances.gather(1, labels[:, None])[:, 0]
    by_label = torch.zeros_like(truth)
    return ClassSums(
        pool(truth),
        pool(log_chances.exp().sum(dim=0)),
        pool(by_label.index_add(0, labels, true_log_chances.exp())),
        pool(by_label.index_add(0, labels, true_log_chances)),
    )


def added(parts: Sequence[ClassSums], classes: Sequence[Tensor], count: int) -> ClassSums:
    """The sums of parts that know some classes each, whose ids are given, as those of all ``count`` classes."""
    ids = torch.cat(tuple(classes))
    return ClassSums(
        *(
            torch.cat(each).new_zeros(count).index_add(0, ids, torch.cat(each))
            for each in zip(*parts, strict=True)
        )
    )


def segmentation_loss(
    sums: ClassSums, balanced_weight: float = 0.0, *, cross_entropy: bool = True
) -> Tensor:
    """Cross-entropy plus one minus Dice.

    With ``balanced_weight`` also so much of the cross-entropy averaged by class. Without
    ``cross_entropy`` Dice alone.
    """
    loss = soft_dice_loss(sums)
    if not cross_entropy:
        return loss
    loss = loss - sums.log_chances.sum() / sums.truth.sum()
    if balanced_weight:
        occurs = sums.truth > 0
        loss = loss - balanced_weight * (sums.log_chances[occurs] / sums.truth[occurs]).mean()
    return loss


def soft_dice_loss(sums: ClassSums) -> Tensor:
    """One minus the mean soft Dice of the classes that occur."""
    dice = (2 * sums.overlap + SMOOTHING) / (sums.truth + sums.predicted + SMOOTHING)
    return 1 - dice[sums.truth > 0].mean()


def voxels(scores: Tensor, labels: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B, C, …) and labels (B, …) as (V, C) and (V,), where ``inside`` (B, …) is true."""
    return scores.movedim(1, -1)[inside], labels[inside]
