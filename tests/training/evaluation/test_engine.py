"""A trained network on the engine that users run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from parcela.options import BOTH, Network
from parcela_inference.networks import build
from parcela_training.evaluation.engine import parcellator
from parcela_training.networks.predict import monai_predictor


@pytest.mark.parametrize("model", BOTH)
def test_given_a_network_of_ones_own_and_an_odd_grid_when_parcellated_then_it_is_monais_map(
    model: Network,
) -> None:
    torch.manual_seed(0)
    network = build(model)
    image = np.random.default_rng(0).random((30, 12, 17), np.float32)

    labels = parcellator(model, network)(image)

    assert labels.shape == image.shape
    assert labels.dtype == np.uint8
    assert (labels == monai_predictor(network)(image)).mean() > 0.99  # scores rounded to 16 bits
