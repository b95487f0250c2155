"""One step's loss: as MONAI has it on whole volumes, and what a CPU cannot do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from monai.losses import DiceLoss
from torch import Tensor, nn

from parcela.errors import Unavailable
from parcela.options import BOTH, Network
from parcela_training.augmentation.rng import Draws
from parcela_training.networks.losses import class_sums, segmentation_loss
from parcela_training.training.objectives import (
    check_memory,
    draw_patches,
    near_classes,
    training_step,
)
from parcela_training.training.presets import modern, thesis
from parcela_training.training.samples import OUTSIDE, Sample, Samples, pad
from training.prepared_images import made_up_cohort


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    cohort = made_up_cohort(tmp_path / "p", (30, 15, 16), parts={"train": 1})
    return Samples(cohort.files("train")).get(0)


@pytest.mark.parametrize("model", BOTH)
def test_given_the_thesis_s_step_then_its_loss_is_monai_s_on_the_volume_without_padding(
    model: Network, sample: Sample
) -> None:
    torch.manual_seed(0)
    step = training_step(thesis(model))
    with torch.no_grad():
        scores = step.network(sample.image)[..., :30, :15, :16]
        label = sample.label[None, None, :30, :15, :16]
        expected = DiceLoss(softmax=True, to_onehot_y=True)(scores, label)
        torch.testing.assert_close(step([sample], 0), expected)
    assert OUTSIDE not in label.unique()


def test_given_whole_volumes_then_the_modern_loss_pools_the_batch(sample: Sample) -> None:
    torch.manual_seed(0)
    recipe = replace(modern("unet", "cuda"), precision="float32")
    step = training_step(recipe)
    with torch.no_grad():
        scores = step.network(sample.image)[..., :30, :15, :16]
        flat, labels = scores[0].flatten(1).T, sample.label[:30, :15, :16].flatten().long()
        sums = class_sums(torch.cat([flat, flat]), torch.cat([labels, labels]))
        twice = segmentation_loss(sums, recipe.balanced_weight)
        torch.testing.assert_close(step([sample, sample], 0), twice, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model", BOTH)
def test_given_dice_alone_then_parts_of_volumes_have_a_smaller_loss_too(
    model: Network, sample: Sample
) -> None:
    torch.manual_seed(0)
    both = training_step(replace(modern(model), precision="float32", trunk_steps=0))
    alone = training_step(replace(both.recipe, loss="dice"))
    alone.load_state_dict(both.state_dict())
    with torch.no_grad():
        losses = [float(step([replace(sample, draws=Draws(0))], 1)) for step in (alone, both)]
    assert 0 < losses[0] < 1.5  # Dice, and half as much at half resolution
    assert losses[1] > losses[0] + 1  # cross-entropy over 117 classes begins at ln 117


def test_given_a_pool_then_half_the_voxels_with_the_other_half_s_sums_have_the_whole_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(40, 5, generator=generator)
    labels = torch.randint(5, (40,), generator=generator)
    whole = segmentation_loss(class_sums(scores, labels), 0.25)
    sums: list[torch.Tensor] = []

    def note(own: torch.Tensor) -> torch.Tensor:
        sums.append(own)
        return own

    class_sums(scores[20:], labels[20:], note)
    others = iter(sums)
    half = segmentation_loss(
        class_sums(scores[:20], labels[:20], lambda own: own + next(others)), 0.25
    )
    torch.testing.assert_close(half, whole)


def test_given_a_judged_volume_then_its_label_map_has_its_shape(sample: Sample) -> None:
    for recipe in (thesis("unet"), replace(modern("unet"), precision="float32")):
        step = training_step(recipe).eval()
        loss, labels = step.evaluate(sample, 0)
        assert loss > 0
        assert labels.shape == (30, 15, 16)


def test_given_a_volume_too_large_for_a_cpu_then_it_is_refused_and_says_what_to_do() -> None:
    check_memory(torch.empty(1, 1, 96, 128, 128, device="meta").to(torch.float32))
    large = torch.empty(1).expand(1, 1, 192, 256, 256)
    with pytest.raises(Unavailable, match=r"192×256×256 need scores of 5\.9 GB.*use a GPU"):
        check_memory(large)


def test_given_patches_when_drawn_then_they_are_even_and_reach_no_farther_than_the_volume() -> None:
    label = torch.zeros(46, 61, 62, dtype=torch.uint8)
    label[40:, 50:, 50:] = 7
    volume = pad(torch.zeros(46, 61, 62), label, Draws(0))
    starts = draw_patches(volume, 12, (8, 8, 8), Draws(0).generator)
    assert all(start % 2 == 0 for corner in starts for start in corner)
    assert max(corner[0] for corner in starts) + 8 <= 48
    assert max(corner[1] for corner in starts) + 8 <= 64


def test_given_a_patch_then_its_classes_are_those_near_it_and_others_that_stand_for_all_the_rest() -> (
    None
):
    label = torch.zeros(40, 40, 40, dtype=torch.uint8)
    label[12:20, 12:20, 12:20] = 5
    label[:, :, 22] = 6  # two voxels from the patch's end
    label[:, :, 30] = 7  # ten voxels from it
    label[12, 12, 12] = OUTSIDE
    ids, stand_for = near_classes(label, (12, 12, 12), (8, 8, 8), 4, Draws(0).generator)
    assert ids[:3].tolist() == [0, 5, 6]
    assert len(ids) == len(ids.unique()) == 16
    assert stand_for[:3].tolist() == [1, 1, 1]
    torch.testing.assert_close(stand_for.sum(), torch.tensor(117.0))
    drawn = {
        i
        for seed in range(40)
        for i in near_classes(label, (12, 12, 12), (8, 8, 8), 4, Draws(seed).generator)[0].tolist()
    }
    assert 7 in drawn
    assert len(drawn) > 110


def test_given_all_classes_near_then_the_loss_and_its_gradient_are_those_over_all_classes(
    sample: Sample,
) -> None:
    torch.manual_seed(0)
    recipe = replace(
        modern("unet"), precision="float32", trunk_steps=0, patch_size=(8, 8, 8), patches=3
    )
    label = torch.randint(117, sample.label.shape, dtype=torch.uint8)
    assert len(label.unique()) == 117
    steps = [training_step(replace(recipe, class_margin=margin)) for margin in (None, 40)]
    steps[1].load_state_dict(steps[0].state_dict())
    for step in steps:
        step([replace(sample, label=label, draws=Draws(0))], 1).backward()
    # Each class in one order or another, so that the sums differ in their last digits; and a bias before a
    # normalisation has no gradient but such digits, so that the whole is compared and not each parameter.
    one, other = (
        nn.utils.parameters_to_vector(
            [cast(Tensor, each.grad) for each in step.network.parameters()]
        )
        for step in steps
    )
    assert (one - other).norm() < 1e-5 * one.norm()
