from __future__ import annotations

import numpy as np
import torch

from parcela_inference.networks import PADDED_SHAPE
from parcela_training.highresnet_step import OFFSETS, SubLattice
from parcela_training.predict import dice_per_region


def test_given_sub_lattices_when_all_are_put_back_then_the_volume_is_whole_again() -> None:
    volume = torch.arange(8 * 8 * 12).reshape(8, 8, 12)
    again = torch.zeros_like(volume)
    for outer in OFFSETS:
        lattice = SubLattice(outer, OFFSETS)
        lattice.put(again, lattice.take(volume[None, None])[:, 0])
    assert torch.equal(again, volume)
    assert all(size % 4 == 0 for size in PADDED_SHAPE)


def test_given_two_maps_when_compared_then_absent_regions_are_missing() -> None:
    truth = np.array([0, 0, 1, 1, 2, 2], dtype=np.uint8)
    predicted = np.array([0, 0, 1, 0, 3, 3], dtype=np.uint8)
    dice = dice_per_region(predicted, truth)
    assert dice.shape == (117,)
    np.testing.assert_allclose(dice[:3], [0.8, 2 / 3, 0.0])
    assert np.isnan(dice[3:]).all()
