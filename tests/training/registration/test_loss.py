"""The network that registers learns: from labels alone, resumable as the others are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import Mapping, centres
from parcela_training.augmentation.rng import Draws
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.registration.distances import region_distances
from parcela_training.registration.loss import SATURATED_MM, distance_loss
from parcela_training.training.budget import Budget
from parcela_training.training.objectives import training_step
from parcela_training.training.presets import modern
from parcela_training.training.samples import Sample, pad
from parcela_training.training.train import TrainingProgress, train
from training.prepared_images import made_up_cohort

SHAPE = (46, 61, 62)


@pytest.fixture(scope="module")
def sample() -> Sample:
    """The atlas under a known mapping, at half the grid."""
    draw = torch.Generator().manual_seed(0)
    bumps = functional.interpolate(
        torch.randn(1, 3, 4, 5, 4, generator=draw), (24, 32, 28), mode="trilinear"
    )
    affine = 0.03 * torch.randn(3, 4, generator=draw)
    places = Mapping(affine, 0.08 * bumps[0])(centres(SHAPE))
    return pad(atlas_box().image(places), atlas_box().labels_at(places), Draws(0))


def test_given_one_head_when_trained_on_it_then_its_voxels_come_nearer_their_regions(
    sample: Sample,
) -> None:
    torch.manual_seed(0)
    step = training_step(modern("warp"))
    optimiser = torch.optim.Adam(step.parameters(), 5e-4)
    losses = []

    for _ in range(25):
        optimiser.zero_grad()
        loss = step([sample], 0)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    _, labels = step.evaluate(sample, 0)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert labels.shape == SHAPE
    assert len(np.unique(labels)) > 100


def test_given_any_image_then_both_of_its_networks_learn(sample: Sample) -> None:
    step = training_step(modern("warp"))
    step([sample], 0).backward()
    for part in (step.network.pose, step.network.deformation):
        learned = [p.grad for p in part.parameters() if p.grad is not None]  # type: ignore[union-attr]
        assert any(gradient.abs().max() > 0 for gradient in learned)


def test_given_what_a_small_region_takes_from_a_large_one_then_it_weighs_as_much_as_what_it_loses() -> (
    None
):
    amygdala, background = 41, 0
    identity = Mapping(torch.zeros(3, 4), torch.zeros(3, 24, 32, 28))
    labels = atlas_box().labels_at(centres(SHAPE))
    taken = torch.where(labels == amygdala, background, labels)
    depths = region_distances().at(centres(SHAPE)[labels == amygdala], torch.tensor([background]))
    saturated = depths / (1 + depths / SATURATED_MM)

    loss = distance_loss(identity, taken, Draws(0)) - distance_loss(identity, labels, Draws(0))

    assert loss > 4 * saturated.sum() / labels.numel()


def test_given_a_run_cut_short_when_repeated_then_it_ends_with_the_same_bits(
    tmp_path: Path,
) -> None:
    recipe = replace(modern("warp"), budget=Budget(steps=4), warm_up_steps=1)
    prepared = _cohort(tmp_path / "p")
    train(recipe, prepared, tmp_path / "whole", threads=1)
    steps: list[int] = []

    def cut(moment: TrainingProgress) -> None:
        steps.append(moment.step)
        if steps.count(3) == 1 and moment.step == 3:
            raise InterruptedError

    parts = tmp_path / "parts"
    with pytest.raises(InterruptedError):
        train(recipe, prepared, parts, threads=1, on_progress=cut, checkpoint_s=0)
    begun_again = len(steps)
    train(recipe, prepared, parts, threads=1, on_progress=cut)

    assert steps[begun_again] == 3  # from the checkpoint after the second
    first = (tmp_path / "whole" / "network.safetensors").read_bytes()
    assert first == (parts / "network.safetensors").read_bytes()


def _cohort(folder: Path) -> PreparedSet:
    prepared = made_up_cohort(folder, SHAPE, preset="modern", parts={"train": 1, "val": 1})
    for part in ("train", "val"):
        (file,) = prepared.files(part)
        made_up = PreparedImage.load(file)
        labels = atlas_box().labels_at(centres(SHAPE)).numpy()
        image = atlas_box().image(centres(SHAPE)).numpy().astype(np.float16)
        PreparedImage(image, labels, labels, made_up.affine, made_up.record).save(file)
    return prepared
