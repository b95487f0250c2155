from __future__ import annotations

import numpy as np

from parcela_training.opening import open_labels


def test_given_a_thin_spur_when_opened_then_its_voxels_go_to_the_nearest_region() -> None:
    labels = np.zeros((12, 12, 12), dtype=np.uint8)
    labels[1:5, 1:5, 1:5] = 1
    labels[6:10, 1:5, 1:5] = 2
    labels[5, 2, 2] = 1  # a bridge one voxel wide, between the two
    labels[9, 5:9, 2] = 2  # a spur
    opened = open_labels(labels)
    assert np.array_equal(opened > 0, labels > 0)
    assert set(np.unique(opened[9, 5:9, 2])) == {2}
    assert opened[5, 2, 2] in (1, 2)


def test_given_a_region_too_thin_to_survive_when_opened_then_it_keeps_its_voxels() -> None:
    labels = np.zeros((9, 9, 9), dtype=np.uint8)
    labels[1:4, 1:4, 1:4] = 1
    labels[6, 2:8, 6] = 109
    opened = open_labels(labels)
    assert np.array_equal(opened, labels)


def test_given_a_region_at_the_border_when_opened_then_the_border_does_not_eat_it() -> None:
    labels = np.zeros((8, 8, 8), dtype=np.uint8)
    labels[:3, :3, :3] = 7
    assert np.array_equal(open_labels(labels), labels)


def test_given_random_blocks_when_opened_then_no_region_vanishes_and_it_repeats() -> None:
    coarse = np.random.default_rng(0).integers(0, 6, (5, 5, 5), dtype=np.uint8)
    labels = np.kron(coarse, np.ones((4, 4, 4), dtype=np.uint8))
    labels[::3, ::5, ::7] = 0
    opened = open_labels(labels)
    assert set(np.unique(opened)) == set(np.unique(labels))
    assert np.array_equal(opened > 0, labels > 0)
    assert np.array_equal(opened, open_labels(labels))
