"""Augmentation: each change does what it says, image and label stay together, the same draws give the same."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from parcela.atlas.aal import regions
from parcela_training.augmentation.augment import NOTHING, Augmentation, augment
from parcela_training.augmentation.intensity import (
    add_bias,
    add_noise,
    change_gamma,
    coarsen,
    move_edge,
)
from parcela_training.augmentation.rng import Draws
from parcela_training.augmentation.space import affine_grid, flip, move, opposite, warp

EVERYTHING = Augmentation(
    resolution_chance=1, edge_chance=1, affine_chance=1, elastic_chance=1, flip_chance=1
)


def head(*shape: int) -> tuple[Tensor, Tensor]:
    """A smooth ball of brain and its label: 1 on the left, 2 on the right."""
    axes = [torch.linspace(-1, 1, size) for size in shape]
    distance = torch.stack(torch.meshgrid(*axes, indexing="ij")).norm(dim=0)
    brain = distance < 0.8
    left = axes[0][:, None, None].expand(shape) < 0
    label = torch.where(left, 1, 2) * brain
    return ((1 - distance / 2) * brain).float(), label.to(torch.uint8)


def test_given_the_same_draws_when_augmented_then_it_repeats_and_stays_in_range() -> None:
    image, label = head(24, 26, 28)
    once = augment(image, label, Draws(3), EVERYTHING)
    twice = augment(image, label, Draws(3), EVERYTHING)
    other = augment(image, label, Draws(4), EVERYTHING)
    assert torch.equal(once[0], twice[0])
    assert torch.equal(once[1], twice[1])
    assert not torch.equal(once[0], other[0])
    assert once[0].min() >= 0
    assert once[0].max() <= 1
    assert set(once[1].unique().tolist()) <= {0, 1, 2}
    assert once[1].dtype == torch.uint8


def test_given_no_augmentation_then_the_volume_is_as_it_was() -> None:
    image, label = head(24, 26, 28)
    same = augment(image, label, Draws(0), NOTHING)
    torch.testing.assert_close(same[0], image)
    assert torch.equal(same[1], label)


@pytest.mark.parametrize("seed", range(4))
def test_given_a_move_when_done_then_image_and_label_move_together(seed: int) -> None:
    image, label = head(32, 32, 32)
    draws = Draws(seed)
    grid = affine_grid(image, draws, 15, 0.1, 0.1) + warp(image, draws, 2.0)
    moved, labels = move(image, label, grid)
    brain, labelled = moved > 0.3, labels > 0
    assert (brain & labelled).sum() > 0.95 * labelled.sum()
    assert not torch.equal(labels, label)


def test_given_a_shift_of_a_voxel_when_moved_then_it_is_that_voxel_s() -> None:
    image, label = head(16, 20, 24)
    grid = affine_grid(image, Draws(0), 0, 0, 0)
    grid[..., 0] += 2 / 24  # the last axis comes first in grid_sample
    moved, labels = move(image, label, grid)
    torch.testing.assert_close(moved[..., :-1], image[..., 1:], atol=1e-5, rtol=1e-4)
    assert torch.equal(labels[..., :-1], label[..., 1:])


@pytest.mark.parametrize("seed", range(4))
def test_given_a_warp_when_drawn_then_it_is_smooth_and_within_its_limit(seed: int) -> None:
    image = torch.zeros(91, 122, 123)
    extent = torch.tensor([123, 122, 91]) / 2
    voxels = warp(image, Draws(seed), 2.0) * extent
    assert voxels.std() < 2.5
    steps = torch.stack([voxels.diff(dim=axis).abs().max() for axis in range(3)])
    assert steps.max() < 1  # neighbours keep their order: nothing folds


def test_given_a_flip_then_left_and_right_change_places_and_names() -> None:
    image, label = head(20, 22, 24)
    image[3] += 0.01  # a mark on the left
    turned, labels = flip(image, label)
    assert torch.equal(labels, label)  # the ball is the same from both sides, names included
    assert torch.equal(turned[-4], image[3])
    again, back = flip(turned, labels)
    assert torch.equal(again, image)
    assert torch.equal(back, label)


def test_given_the_atlas_then_opposites_are_the_regions_of_the_other_side() -> None:
    partner = opposite().tolist()
    names = {region.index: region.name for region in regions()}
    assert partner[0] == 0
    for index, name in names.items():
        if index < 109:
            swapped = {"L": "R", "R": "L"}[name[-1]]
            assert names[partner[index]] == f"{name[:-1]}{swapped}"
        else:
            assert partner[index] == index


@pytest.mark.parametrize(
    "change",
    [
        lambda image, draws: change_gamma(image, draws, 0.4),
        lambda image, draws: add_bias(image, draws, 0.2),
        lambda image, draws: add_noise(image, draws, 0.05),
    ],
)
def test_given_a_change_of_intensity_then_it_is_there_and_mild(
    change: Callable[[Tensor, Draws], Tensor],
) -> None:
    image, _ = head(24, 26, 28)
    changes = [(change(image, Draws(seed)) - image)[image > 0].abs().mean() for seed in range(8)]
    assert max(changes) > 0.003
    assert max(changes) < 0.25


def test_given_a_gamma_then_darker_stays_darker() -> None:
    line = torch.linspace(0, 1, 60).reshape(3, 4, 5)
    assert (change_gamma(line, Draws(1), 0.4).flatten().diff() > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_given_thick_slices_then_detail_is_lost_along_one_axis_only(seed: int) -> None:
    image = torch.rand(40, 44, 48, generator=torch.Generator().manual_seed(0))
    coarse = coarsen(image, Draws(seed), (1.0, 1.0, 1.0), (2.0, 3.0))
    detail = [float(coarse.diff(dim=axis).std() / coarse.std()) for axis in range(3)]  # noise: √2
    assert coarse.shape == image.shape
    assert min(detail) < 0.9
    assert sorted(detail)[1:] == pytest.approx([2**0.5, 2**0.5], rel=0.05)
    assert float(coarse.mean()) == pytest.approx(float(image.mean()), abs=0.01)


def test_given_voxels_larger_than_the_slices_then_nothing_is_lost() -> None:
    image, _ = head(20, 22, 24)
    assert torch.equal(coarsen(image, Draws(0), (3.2, 3.2, 3.2), (2.0, 3.0)), image)


@pytest.mark.parametrize("seed", range(4))
def test_given_a_moved_edge_then_it_moves_both_ways_and_no_farther_than_asked(seed: int) -> None:
    image, _ = head(48, 48, 48)
    moved = move_edge(image, Draws(seed), 3)
    before, after = image > 0, moved > 0
    lost, gained = before & ~after, after & ~before
    assert lost.any()
    assert gained.any()
    assert not (gained & ~near(before, 4)).any()
    assert not (lost & ~near(~before, 4)).any()
    assert torch.equal(moved[before & after], image[before & after])
    assert (moved >= 0).all()
    assert (moved <= 1).all()


def near(mask: Tensor, voxels: int) -> Tensor:
    """Where the mask is at most so far, along any axis or diagonal."""
    size = 2 * voxels + 1
    pooled = torch.nn.functional.max_pool3d(mask[None, None].float(), size, 1, voxels)
    return pooled[0, 0] > 0


@pytest.mark.slow
def test_given_a_full_volume_then_augmentation_takes_well_under_a_second_of_one_core() -> None:
    image, label = head(91, 122, 123)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        augment(image, label, Draws(0), EVERYTHING)
        begun = time.process_time()
        for seed in range(3):
            augment(image, label, Draws(seed), EVERYTHING)
        assert (time.process_time() - begun) / 3 < 0.6
    finally:
        torch.set_num_threads(threads)
