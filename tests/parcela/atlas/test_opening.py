"""The opening takes thin parts off regions; neither preset loses a region, and ``modern`` loses no voxel."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.aal import atlas_labels
from parcela.atlas.opening import REACH, open_labels
from parcela.options import Preset

Labels = NDArray[np.uint8]
PRESETS: tuple[Preset, ...] = ("thesis", "modern")

label_maps = arrays(np.uint8, (7, 7, 7), elements=st.sampled_from([0, 0, 1, 1, 2, 109]), fill=None)


def two_blocks_and_a_bridge() -> Labels:
    """Regions 1 and 2, four voxels wide, and a single voxel of region 3 between them, beside a block of 3."""
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[1:5, 1:5, 1:5] = 1
    labels[6:10, 1:5, 1:5] = 2
    labels[1:10, 7:10, 1:5] = 3
    labels[5, 2, 2] = 3
    return labels


def test_given_thesis_when_a_thin_part_is_removed_then_it_becomes_background() -> None:
    labels = two_blocks_and_a_bridge()
    opened = open_labels(labels, "thesis")
    expected = labels.copy()
    expected[5, 2, 2] = 0
    np.testing.assert_array_equal(opened, expected)


def test_given_modern_when_two_regions_are_equally_near_then_the_lowest_id_takes_the_voxel() -> (
    None
):
    opened = open_labels(two_blocks_and_a_bridge(), "modern")
    assert opened[5, 2, 2] == 1


def test_given_modern_when_the_own_region_is_as_near_as_another_then_it_keeps_the_voxel() -> None:
    labels = np.zeros((12, 9, 9), np.uint8)
    labels[1:5, 1:8, 1:8] = 1
    labels[6:10, 1:8, 1:8] = 2
    labels[5, 4, 4] = 2
    assert open_labels(labels, "thesis")[5, 4, 4] == 0
    assert open_labels(labels, "modern")[5, 4, 4] == 2


def test_given_modern_when_the_nearest_region_is_far_then_it_is_found_all_the_same() -> None:
    labels = np.zeros((30, 9, 9), np.uint8)
    labels[1:5, 1:8, 1:8] = 1
    labels[1:5, 1, 1] = 2
    labels[20, 4, 4] = 1
    assert REACH < 20 - 4
    assert open_labels(labels, "modern")[20, 4, 4] == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_given_a_region_too_thin_for_the_element_then_it_keeps_its_voxels(preset: Preset) -> None:
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:4, 1:4, 1:4] = 1
    labels[6, 2:8, 6] = 109
    np.testing.assert_array_equal(open_labels(labels, preset), labels)


@pytest.mark.parametrize("preset", PRESETS)
def test_given_a_block_at_the_edge_of_the_volume_then_the_edge_does_not_eat_it(
    preset: Preset,
) -> None:
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[:3, :3, 5:] = 7
    np.testing.assert_array_equal(open_labels(labels, preset), labels)


@given(label_maps)
def test_given_any_map_when_opened_by_thesis_then_each_region_is_its_own_opening(
    labels: Labels,
) -> None:
    opened = open_labels(labels, "thesis")
    for region in np.unique(labels[labels > 0]):
        whole = np.pad(labels == region, 1)
        expected = ndimage.binary_opening(whole, np.ones((3, 3, 3)))
        expected = (expected if expected.any() else whole)[1:-1, 1:-1, 1:-1]
        np.testing.assert_array_equal(opened == region, expected)


@given(label_maps)
def test_given_any_map_when_opened_by_modern_then_the_nearest_survivor_takes_each_voxel(
    labels: Labels,
) -> None:
    survivors, opened = open_labels(labels, "thesis"), open_labels(labels, "modern")
    np.testing.assert_array_equal(opened > 0, labels > 0)
    np.testing.assert_array_equal(opened[survivors > 0], survivors[survivors > 0])
    standing = np.argwhere(survivors > 0)
    for place in np.argwhere((labels > 0) & (survivors == 0)):
        squared = ((standing - place) ** 2).sum(1)
        nearest = {int(survivors[tuple(p)]) for p in standing[squared == squared.min()]}
        own = int(labels[tuple(place)])
        assert opened[tuple(place)] == (own if own in nearest else min(nearest))


def test_given_aal_itself_when_opened_then_every_region_stays_and_it_takes_seconds() -> None:
    labels, _ = atlas_labels()
    begun = time.process_time()
    modern, thesis = open_labels(labels, "modern"), open_labels(labels, "thesis")
    assert time.process_time() - begun < 20
    assert len(np.unique(modern)) == len(np.unique(thesis)) == 117
    removed = np.count_nonzero((labels > 0) & (thesis == 0)) / np.count_nonzero(labels)
    assert 0.03 < removed < 0.04
    assert np.count_nonzero(modern != labels) < np.count_nonzero(thesis != labels) / 2
