"""Scores in blocks: what is left out is the highest nowhere, and what is held says the same as all of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from parcela_inference.block_scores import Block, BlockScores, can_win

SHAPE = (15, 26, 13)


def smooth(seed: int, classes: int = 117) -> torch.Tensor:
    """(15, 26, 13, C) scores that add up to 1, of regions some voxels wide."""
    noise = np.random.default_rng(seed).normal(size=(*SHAPE, classes)).astype(np.float32)
    return torch.from_numpy(400 * ndimage.gaussian_filter(noise, (3, 3, 3, 0))).softmax(-1)


def test_given_dense_scores_when_held_in_blocks_then_the_highest_are_the_same_and_most_is_left_out() -> (
    None
):
    dense = smooth(0)
    held = BlockScores.of(dense)
    largest, labels = held.highest()
    np.testing.assert_array_equal(labels, dense.argmax(-1))
    np.testing.assert_array_equal(largest, dense.amax(-1))
    assert sum(block.scores.numel() for block in held.blocks.values()) < 0.7 * dense.numel()
    back = held.dense().float()
    torch.testing.assert_close(back[back > 0], dense[back > 0], atol=1e-3, rtol=0)


def test_given_classes_that_no_average_of_eight_voxels_can_make_the_highest_then_they_alone_are_left_out() -> (
    None
):
    scores = torch.rand(9, 8, generator=torch.Generator().manual_seed(0))
    shares = torch.rand(20000, 8, generator=torch.Generator().manual_seed(1)) ** 4
    scores[3:5] /= 20
    seen = (scores @ (shares / shares.sum(1, keepdim=True)).T).argmax(0).unique()
    chosen = can_win(scores)
    assert chosen[seen].all()
    assert not chosen.all()


def test_given_background_when_held_then_no_block_is() -> None:
    dense = torch.zeros(*SHAPE, 117)
    dense[..., 0] = 1
    dense[14, 25, 12] = torch.nn.functional.one_hot(torch.tensor(7), 117)
    held = BlockScores.of(dense)
    assert list(held.blocks) == [
        (1, 2, 0),
        (1, 2, 1),
    ]  # a place between voxels of both may be labelled
    largest, labels = held.highest()
    assert (labels[14, 25, 12], labels.sum(), largest.min()) == (7, 7, 1)


def test_given_two_networks_when_averaged_then_each_score_is_the_mean_of_theirs() -> None:
    first, second = smooth(1, 5), smooth(2, 5)
    second[:12, :12] = torch.tensor(
        [1.0, 0, 0, 0, 0]
    )  # blocks that one network has and the other not
    mean = BlockScores.mean([BlockScores.of(first), BlockScores.of(second)])
    _, labels = mean.highest()
    expected = (first + second) / 2
    clear = expected.topk(2).values.diff().abs()[..., 0] > 2e-3  # what is left out is less
    assert clear.float().mean() > 0.4
    np.testing.assert_array_equal(labels[clear], expected.argmax(-1)[clear])


@pytest.mark.parametrize("place", [(0, 0, 0), (0, 1, 0), (1, 2, 1)])
def test_given_a_block_then_with_the_next_voxels_it_is_that_part_of_the_whole(
    place: tuple[int, int, int],
) -> None:
    dense = smooth(3, 6)
    block = BlockScores.of(dense).with_next(place)
    assert isinstance(block, Block)
    i, j, k = (slice(12 * at, 12 * at + 13) for at in place)
    part = dense[i, j, k].movedim(-1, 0)
    assert block.scores.shape[1:] == part.shape[1:]
    np.testing.assert_array_equal(block.classes[block.scores.argmax(0)], part.argmax(0))
    same = block.scores == part[block.classes]
    assert (same | (block.scores == 0)).all()
    assert same.float().mean() > 0.9
