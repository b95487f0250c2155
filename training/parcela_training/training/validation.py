"""A network in training on the validation images: loss, Dice, regions missing."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT
from parcela_training.metrics.measures import dice
from parcela_training.training.distributed import ProcessGroup
from parcela_training.training.objectives import TrainingStep
from parcela_training.training.samples import Samples


@dataclass(frozen=True, slots=True)
class Validation:
    """Means over the validation images, and how many regions have a median Dice of 0."""

    loss: float
    dice: float
    regions_missing: int


def validate(
    training_step: TrainingStep, samples: Samples, step: int, group: ProcessGroup
) -> Validation:
    """Judge every image once, shared among the ranks; the network is in evaluation mode meanwhile.

    What is random about the loss is the same in every validation.
    """
    was_training = training_step.training
    training_step.eval()
    losses = torch.zeros(len(samples), dtype=torch.float64)
    dices = torch.zeros(len(samples), CLASS_COUNT, dtype=torch.float64)
    for index in range(group.rank, len(samples), group.count):
        sample = samples.get(index)
        loss, labels = training_step.evaluate(sample, step)
        losses[index] = loss
        i, j, k = sample.shape
        dices[index] = torch.from_numpy(dice(labels, sample.label[:i, :j, :k].cpu().numpy()))
    training_step.train(was_training)
    return _summary(group.total(losses).numpy(), group.total(dices).numpy())


def _summary(losses: NDArray[np.float64], dices: NDArray[np.float64]) -> Validation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a region absent from every label
        medians = np.nanmedian(dices, axis=0)
    missing = int(np.count_nonzero(medians[1:] == 0))
    return Validation(float(losses.mean()), float(np.nanmean(dices, axis=1).mean()), missing)
