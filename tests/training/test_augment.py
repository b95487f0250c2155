from __future__ import annotations

import torch

from parcela_training.augment import augment


def test_given_a_seed_when_augmented_then_it_repeats_and_stays_in_range() -> None:
    image = torch.zeros(12, 14, 16)
    image[2:-2, 2:-2, 2:-2] = 0.5
    label = (image > 0).to(torch.uint8) * 9
    once = augment(image, label, torch.Generator().manual_seed(3))
    twice = augment(image, label, torch.Generator().manual_seed(3))
    assert torch.equal(once[0], twice[0])
    assert torch.equal(once[1], twice[1])
    assert once[0].min() >= 0
    assert once[0].max() <= 1
    assert set(once[1].unique().tolist()) <= {0, 9}


def test_given_augmentation_when_moved_then_image_and_label_move_together() -> None:
    image = torch.zeros(24, 24, 24)
    image[6:18, 8:16, 7:19] = 0.8
    label = (image > 0).to(torch.uint8)
    generator = torch.Generator().manual_seed(0)
    for _ in range(6):
        moved, labels = augment(image, label, generator)
        inside = (moved > 0.2) & (labels > 0)
        assert inside.sum() > 0.9 * labels.sum()
