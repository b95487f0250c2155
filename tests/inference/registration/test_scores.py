"""Scores of the network that registers, and what the shipped one makes of the atlas's own head."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch

from parcela.atlas.aal import COLIN27_BRAIN
from parcela.imaging.volume import read_volume
from parcela_inference.parcellate import parcellate
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import Mapping, centres
from parcela_inference.registration.network import RegistrationNetwork
from parcela_inference.registration.scores import bent_mm, class_scores_by_registration
from parcela_inference.weights import network
from parcela_preprocess.preprocess import Preprocessed, preprocess
from parcela_training.metrics.measures import dice

SHAPE = (50, 62, 53)


@pytest.fixture(scope="module")
def colin() -> Preprocessed:
    return preprocess(read_volume(COLIN27_BRAIN), preprocess=False)


def test_given_the_identity_then_the_scores_are_the_atlas_s_shares_of_each_voxel() -> None:
    image = atlas_box().image(centres(SHAPE))
    mapping = Mapping(torch.zeros(3, 4), torch.zeros(3, 24, 32, 28))

    scores = class_scores_by_registration(mapping, image, atlas_box().labels)

    dense, labels = scores.dense(), atlas_box().labels_at(centres(SHAPE))
    assert scores.way == "registration"
    assert scores.certainty == pytest.approx(1, abs=1e-4)
    assert bent_mm(mapping) == 0
    np.testing.assert_allclose(dense.sum(-1).float(), 1, atol=1e-3)
    shares = 9 * dense.float()
    np.testing.assert_allclose(shares, shares.round(), atol=0.01)
    assert (scores.highest()[1] == labels.numpy()).mean() > 0.95
    deep = torch.nn.functional.avg_pool3d((labels == 77)[None, None].float(), 3, 1, 1)[0, 0] == 1
    assert deep.any()
    assert (dense[..., 77][deep] == 1).all()


def test_given_an_image_without_a_brain_then_nothing_says_how_alike_it_is() -> None:
    mapping = Mapping(torch.zeros(3, 4), torch.zeros(3, 24, 32, 28))
    scores = class_scores_by_registration(mapping, torch.zeros(13, 12, 14), atlas_box().labels)
    assert np.isnan(scores.certainty)


def test_given_a_shift_that_no_affine_was_asked_for_then_the_atlas_is_bent_by_its_length() -> None:
    velocity = torch.zeros(3, 24, 32, 28)
    velocity[1] = 2 * 7 / atlas_box().size_mm[1]  # 7 mm, in places
    assert bent_mm(Mapping(torch.zeros(3, 4), velocity)) == pytest.approx(7, abs=0.01)


def test_given_the_atlas_s_own_head_then_the_shipped_network_finds_every_region(
    colin: Preprocessed,
) -> None:
    done = parcellate(colin.image, colin.trail, model="warp")

    regions = cast(RegistrationNetwork, network("warp", "cpu")).regions
    found = dice(done.labels, regions.numpy())
    assert done.ways == {"warp": "registration"}
    assert done.certainty["warp"] > 0.7
    assert done.bent_mm is not None
    assert 0.5 < done.bent_mm < 5
    assert np.nanmean(found) > 0.85
    assert np.nanmin(found) > 0.5
