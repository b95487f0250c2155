"""Two processes on a CPU against one, on the same batches of two images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from parcela.errors import BadRequest
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.training.distributed import ProcessGroup
from parcela_training.training.presets import thesis
from parcela_training.training.samples import Samples
from parcela_training.training.trainer import Trainer
from patience import patient
from training.distributed_worker import recipes
from training.prepared_images import made_up_cohort

pytestmark = pytest.mark.slow
WORKER = Path(__file__).parents[1] / "distributed_worker.py"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")

Losses = dict[str, tuple[int, float, float]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    folder = tmp_path_factory.mktemp("images")
    cubes = (32, 32, 32)  # with fewer voxels the order of sums would show
    return made_up_cohort(folder / "prepared", cubes, parts={"train": 4, "val": 2})


@pytest.fixture(scope="module")
def alone(images: PreparedSet, tmp_path_factory: pytest.TempPathFactory) -> Losses:
    return losses([], images, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def together(images: PreparedSet, tmp_path_factory: pytest.TempPathFactory) -> Losses:
    return losses(TORCHRUN, images, tmp_path_factory.mktemp("together"))


def losses(launcher: list[str] | tuple[str, ...], images: PreparedSet, out: Path) -> Losses:
    """Processes, training loss and validation loss of each recipe."""
    done = subprocess.run(
        [sys.executable, *launcher, str(WORKER), str(images.folder), str(out)],
        env=os.environ | {"PARCELA_TORCH_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: Losses = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("recipe", [name for name in recipes() if name.startswith("unet")])
def test_given_two_processes_when_the_unet_trains_then_its_losses_are_those_of_one(
    recipe: str, alone: Losses, together: Losses
) -> None:
    """Three steps: the third loss depends on the gradients of the first two."""
    assert (alone[recipe][0], together[recipe][0]) == (1, 2)
    assert together[recipe][1:] == pytest.approx(alone[recipe][1:], rel=1e-4)


def test_given_two_processes_when_highresnet_trains_on_parts_then_its_loss_is_that_of_one(
    alone: Losses, together: Losses
) -> None:
    """Parts go through the network one image at a time, so that its batch norm never saw two.

    The running statistics, which validation uses, are the first process's.
    """
    recipe = "highresnet modern, parts"
    assert together[recipe][1] == pytest.approx(alone[recipe][1], rel=1e-4)
    assert together[recipe][2] != pytest.approx(alone[recipe][2], rel=1e-5)


def test_given_two_processes_when_highresnet_trains_on_whole_volumes_then_each_norms_its_own(
    images: PreparedSet, together: Losses
) -> None:
    """On a CPU the loss is the mean over the images, each normalised by itself."""
    recipe = "highresnet thesis"
    train, val = Samples(images.files("train")), Samples(images.files("val"))
    trainer = Trainer(thesis("highresnet"), train, val, ProcessGroup(0, 1, torch.device("cpu")))
    own = [float(trainer.module([train.at(place, 0, None)], 0).detach()) for place in (0, 1)]

    assert together[recipe][1] == pytest.approx(sum(own) / 2, rel=1e-4)


def test_given_a_batch_that_cannot_be_shared_then_it_says_what_to_choose(
    images: PreparedSet,
) -> None:
    samples = Samples(images.files("train"))
    recipe = replace(thesis("unet"), batch=3)
    with pytest.raises(BadRequest, match="a batch of 3 cannot be shared among 2 processes"):
        Trainer(recipe, samples, samples, ProcessGroup(0, 2, torch.device("cpu")))
