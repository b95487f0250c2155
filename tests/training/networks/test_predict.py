"""Label maps by the fast paths, and by MONAI alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from parcela.imaging.geometry import Shape
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.options import BOTH, Network
from parcela_inference.networks import PADDED_SHAPE, build
from parcela_inference.sub_lattices import OFFSETS, SubLattice
from parcela_training.networks.predict import monai_predictor, padded, predictor

ODD: Shape = (30, 12, 17)


def test_given_sub_lattices_when_all_are_put_back_then_the_volume_is_whole_again() -> None:
    volume = torch.arange(8 * 8 * 12).reshape(8, 8, 12)
    again = torch.zeros_like(volume)
    for outer in OFFSETS:
        lattice = SubLattice(outer, OFFSETS)
        lattice.put(again, lattice.take(volume[None, None])[:, 0])
    assert torch.equal(again, volume)


def test_given_any_grid_when_padded_then_it_is_as_the_networks_take_theirs() -> None:
    image = np.ones(MODEL_SHAPE, np.float32)

    volume = padded(image)

    assert volume.shape == (1, 1, *PADDED_SHAPE)
    assert padded(np.ones(ODD, np.float32)).shape == (1, 1, 32, 16, 32)
    assert volume[0, 0, :91, :122, :123].min() == 1
    assert volume.sum() == image.sum()


@pytest.mark.parametrize("model", BOTH)
def test_given_a_network_when_predicting_in_float32_then_ours_and_monais_maps_agree(
    model: Network,
) -> None:
    torch.manual_seed(0)
    network, image = build(model), np.random.default_rng(0).random(ODD, np.float32)

    ours = predictor(network, mixed_precision=False)(image)

    theirs = monai_predictor(network)(image)
    assert ours.shape == ODD
    assert ours.dtype == np.uint8
    assert (ours == theirs).mean() > 0.999  # sums in another order


def test_given_another_network_when_predicting_then_it_is_refused() -> None:
    with pytest.raises(TypeError, match="Conv3d"):
        predictor(torch.nn.Conv3d(1, 117, 1))(np.zeros(ODD, np.float32))
