"""The U-Net by blocks against MONAI's own forward pass."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from monai.networks.nets import UNet

from parcela_inference.block_scores import EDGE
from parcela_inference.networks import build_unet
from parcela_inference.unet_by_blocks import PLANES, class_scores_by_blocks
from parcela_inference.unet_layers import top_layers

SHAPE = (28, 20, 30)
BLOCKS = (3, 2, 3)


@pytest.fixture(scope="module")
def unet() -> UNet:
    """With weights that are sure of a few regions, and of the background."""
    torch.manual_seed(0)
    unet = build_unet().eval().requires_grad_(False)
    _, _, last = top_layers(unet)
    last.weight *= 6
    cast(torch.Tensor, last.bias)[0] += 3
    return unet


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    """A brain in the middle, far from the grid's first block."""
    image = torch.zeros(SHAPE)
    image[15:, :, 15:] = torch.rand(13, 20, 15, generator=torch.Generator().manual_seed(0))
    return image


@pytest.fixture(scope="module")
def monais(unet: UNet, image: torch.Tensor) -> torch.Tensor:
    """(28, 20, 30, 117), by its own forward pass."""
    padded = torch.nn.functional.pad(image, (0, 2, 0, 12, 0, 4))[None, None]
    scores: torch.Tensor = unet(padded)[0, :, :28, :20, :30]
    return scores.softmax(0).movedim(0, -1)


def test_given_every_class_everywhere_then_the_scores_are_monais_where_the_brain_is(
    unet: UNet, image: torch.Tensor, monais: torch.Tensor
) -> None:
    held, outside = class_scores_by_blocks(unet, image, torch.ones(*BLOCKS, 117, dtype=torch.bool))
    assert outside == 0
    assert set(held.blocks) == {(i, j, k) for i in (1, 2) for j in (0, 1) for k in (1, 2)}
    for (i, j, k), block in held.blocks.items():
        here = monais[12 * i :, 12 * j :, 12 * k :][:EDGE, :EDGE, :EDGE]
        torch.testing.assert_close(block.scores.movedim(0, -1), here, atol=1e-5, rtol=1e-3)
    assert monais.amax() > 20 * monais.mean()  # scores that are all alike would show nothing


def test_given_the_classes_that_are_the_highest_in_each_block_then_the_map_is_monais(
    unet: UNet, image: torch.Tensor, monais: torch.Tensor
) -> None:
    labels = monais.argmax(-1)
    plausible = torch.zeros(*BLOCKS, 117, dtype=torch.bool)
    for place in np.ndindex(BLOCKS):
        i, j, k = (slice(EDGE * at, EDGE * (at + 1)) for at in place)
        plausible[place][labels[i, j, k].unique()] = True
    held, outside = class_scores_by_blocks(unet, image, plausible)
    _, found = held.highest()
    inside = np.s_[13:, :, 13:]  # the brain, and two voxels around it
    clear = monais.topk(2).values.diff().abs()[..., 0] > 1e-5
    np.testing.assert_array_equal(found[inside][clear[inside]], labels[inside][clear[inside]])
    assert outside < 0.05  # some samples lie beyond the grid's end, in the padding
    assert 3 < np.mean([len(block.classes) for block in held.blocks.values()]) < 100
    assert len(np.unique(found)) > 3


def test_given_a_class_at_a_block_s_last_sample_then_the_next_block_is_asked_for_it_too(
    unet: UNet, image: torch.Tensor
) -> None:
    held, _ = class_scores_by_blocks(unet, image, torch.zeros(*BLOCKS, 117, dtype=torch.bool))
    _, labels = held.highest()
    for i, row, k in np.ndindex(2, 2, 2):
        place = (1 + i, 1 - row, 1 + k)
        last = 10 if row == 0 else 14  # the nearest sample of the other block of the second axis
        beside = [
            labels[12 * (1 + i) + plane, last, c]
            for plane in PLANES
            for c in range(12 * (1 + k) + 2, 12 * (2 + k), 4)
            if 12 * (1 + i) + plane < SHAPE[0] and c < SHAPE[2]
        ]
        assert set(beside) <= set(held.block(place).classes.tolist())


def test_given_a_table_without_what_is_there_then_samples_find_it_and_say_how_much(
    unet: UNet, image: torch.Tensor, monais: torch.Tensor
) -> None:
    held, outside = class_scores_by_blocks(unet, image, torch.zeros(*BLOCKS, 117, dtype=torch.bool))
    _, found = held.highest()
    labels = monais.argmax(-1).numpy()
    sampled = np.zeros(SHAPE, bool)
    planes = [plane for plane in range(SHAPE[0]) if plane % EDGE in PLANES]
    sampled[planes, 2::4, 2::4] = True
    sampled[:12] = sampled[:, :, :12] = False
    np.testing.assert_array_equal(found[sampled], labels[sampled])
    assert (labels[sampled] > 0).any()
    assert outside > 0.9
