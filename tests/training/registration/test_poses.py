"""The affine that a label map stands for."""

from __future__ import annotations

import torch

from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import affine_between, centres, inverse, moved
from parcela_training.augmentation.rng import Draws
from parcela_training.registration.poses import disturbed, pairs

SHAPE = (60, 70, 64)


def moved_head() -> tuple[torch.Tensor, torch.Tensor]:
    """Labels of the atlas as an affine sees them, and the affine from there to the atlas."""
    affine = 0.05 * torch.randn(3, 4, generator=torch.Generator().manual_seed(3))
    return atlas_box().labels_at(moved(centres(SHAPE), affine)), affine


def test_given_a_moved_atlas_then_its_pose_is_found_from_its_labels() -> None:
    labels, affine = moved_head()

    places, targets = pairs(labels)
    found = affine_between(places, targets)

    assert 113 <= len(places) <= 116  # but for the smallest, on this coarse grid
    torch.testing.assert_close(found, affine, atol=0.01, rtol=0)


def test_given_a_label_map_without_some_regions_then_the_others_suffice() -> None:
    labels, affine = moved_head()
    labels[labels > 60] = 0

    places, targets = pairs(labels)

    assert 58 <= len(places) <= 60
    torch.testing.assert_close(affine_between(places, targets), affine, atol=0.02, rtol=0)


def test_given_a_pose_when_disturbed_then_it_is_a_millimetre_off_and_as_its_draws_say() -> None:
    affine = 0.05 * torch.randn(3, 4, generator=torch.Generator().manual_seed(3))
    inside = centres((8, 8, 8)) * 0.7
    half_mm = atlas_box().size_mm / 2

    off = [
        ((moved(inside, disturbed(affine, Draws(seed))) - moved(inside, affine)) * half_mm)
        .norm(dim=-1)
        .mean()
        for seed in range(40)
    ]

    assert 0.8 < torch.stack(off).mean() < 3.0
    torch.testing.assert_close(disturbed(affine, Draws(1)), disturbed(affine, Draws(1)))
    assert inverse(disturbed(affine, Draws(2))).isfinite().all()
