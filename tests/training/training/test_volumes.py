"""Biases of the last layer that give each region the volume that it has in the labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from parcela.options import BOTH, Network
from parcela_inference.networks import build
from parcela_training.networks.predict import predictor
from parcela_training.preparation.prepared_set import PreparedImage
from parcela_training.training.samples import Samples
from parcela_training.training.volumes import Volumes, balance_volumes, last_bias, shift_of
from training.prepared_images import made_up_cohort

SHAPE = (30, 15, 16)


def counts(ids: torch.Tensor) -> torch.Tensor:
    return torch.bincount(ids.flatten().long(), minlength=117).double()


def test_given_scores_that_favour_some_classes_then_the_shift_gives_each_its_volume() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(40_000, 117, generator=generator)
    scores[:, 10:] -= 4  # few voxels; a class is nowhere certain
    truth = counts(scores.argmax(dim=1))
    favoured = torch.linspace(-1, 1, 117)
    favoured[0] = 0
    chances, ids = (scores + favoured).log_softmax(dim=1).topk(12, dim=1)
    image = Volumes(torch.zeros(117), chances.T.half(), ids.T.to(torch.uint8), truth)
    before = image.predicted(torch.zeros(117))
    assert (before[1:10] / truth[1:10]).log().abs().max() > 0.3

    after = image.predicted(shift_of([image]))

    assert (after[1:10] / truth[1:10]).log().abs().max() < 0.02


def test_given_a_class_that_no_label_holds_then_its_bias_stays() -> None:
    chances = torch.full((2, 10), 0.5).log().half()
    ids = torch.tensor([[3], [4]], dtype=torch.uint8).expand(2, 10)
    image = Volumes(torch.zeros(117), chances, ids, counts(torch.full((10,), 4)))
    shift = shift_of([image])
    assert shift[3] == 0
    assert shift[4] > 0
    assert shift[0] == 0


@pytest.mark.parametrize("model", BOTH)
def test_given_a_bias_then_it_moves_that_class_s_score_alone(model: Network) -> None:
    network, image = build(model, "modern").eval(), torch.rand(1, 1, 32, 16, 16)
    with torch.no_grad():
        before = network(image)
        last_bias(network)[5] += 1
        moved = network(image) - before
    expected = torch.zeros_like(moved)
    expected[:, 5] = 1
    torch.testing.assert_close(moved, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("model", BOTH)
def test_given_a_network_s_own_maps_when_its_biases_were_spoilt_then_balancing_mends_them(
    model: Network, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    files = made_up_cohort(tmp_path / "p", SHAPE, parts={"train": 2}).files("train")
    network = build(model, "modern").eval()
    if model == "highresnet":  # random weights, and scores as far apart as a trained network's
        with torch.no_grad():
            cast(torch.nn.BatchNorm3d, network.get_submodule("blocks.11.adn.N")).weight.mul_(30)

    def maps() -> list[NDArray[np.uint8]]:
        predict = predictor(network, mixed_precision=False)
        return [predict(PreparedImage.load(file).image.astype(np.float32)) for file in files]

    own = maps()
    for file, label in zip(files, own, strict=True):
        replace(PreparedImage.load(file), label=label).save(file)
    region = int(np.bincount(np.ravel(own), minlength=117)[1:].argmax()) + 1
    with torch.no_grad():
        last_bias(network)[region] += 0.3

    def wrong() -> int:
        now, then = (np.count_nonzero(np.ravel(labels) == region) for labels in (maps(), own))
        return abs(int(now) - int(then))

    spoilt = wrong()
    balance_volumes(network, Samples(files).heads(2), mixed_precision=False)
    assert wrong() < 0.3 * spoilt
