from __future__ import annotations

import pytest
import torch

from parcela_training.networks.losses import (
    added,
    class_sums,
    segmentation_loss,
    soft_dice_loss,
)


def test_given_certain_scores_when_right_then_the_loss_is_nearly_zero() -> None:
    labels = torch.randint(5, (200,), generator=torch.Generator().manual_seed(0))
    scores = torch.nn.functional.one_hot(labels, 5).float() * 40
    assert float(segmentation_loss(class_sums(scores, labels))) == pytest.approx(0.0, abs=1e-4)


def test_given_classes_that_do_not_occur_when_averaged_then_they_do_not_count() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    scores = torch.nn.functional.one_hot(labels, 117).float() * 40
    assert float(soft_dice_loss(class_sums(scores, labels))) == pytest.approx(0.0, abs=1e-4)


def test_given_a_rare_class_when_balanced_then_missing_it_costs_more() -> None:
    labels = torch.zeros(1000, dtype=torch.long)
    labels[:2] = 3
    scores = torch.zeros(1000, 5)
    scores[:, 0] = 8.0
    plain = float(segmentation_loss(class_sums(scores, labels)))
    assert float(segmentation_loss(class_sums(scores, labels), balanced_weight=0.25)) > plain + 0.9


def test_given_parts_with_classes_in_an_order_of_their_own_when_added_then_the_loss_is_the_whole_s() -> (
    None
):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(60, 5, generator=generator)
    labels = torch.randint(5, (60,), generator=generator)
    orders = [torch.randperm(5, generator=generator) for _ in range(3)]
    parts = [
        class_sums(part[:, order], order.argsort()[label])
        for part, label, order in zip(scores.split(20), labels.split(20), orders, strict=True)
    ]
    torch.testing.assert_close(
        segmentation_loss(added(parts, orders, 5), 0.25),
        segmentation_loss(class_sums(scores, labels), 0.25),
    )
