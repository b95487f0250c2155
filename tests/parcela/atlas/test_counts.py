"""What a label map holds, and Dice between two: as NumPy counts it the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from parcela.atlas.counts import RegionCounts, dice


def random_map(seed: int, highest: int = 116) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, highest + 1, (9, 10, 11), np.uint8)


def test_given_a_map_when_counted_then_found_and_missing_are_all_the_regions() -> None:
    labels = random_map(0, highest=40)
    labels[labels == 7] = 0

    counts = RegionCounts.of(labels)

    assert counts.by_class.sum() == labels.size
    assert counts.by_region.shape == (116,)
    for index in range(1, 117):
        assert counts.by_region[index - 1] == (labels == index).sum()
    assert counts.missing == (7, *range(41, 117))
    assert counts.found == 39


def test_given_an_id_over_116_when_counted_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="id 117"):
        RegionCounts.of(np.full((2, 2, 2), 117, np.uint8))


def test_given_two_maps_then_dice_is_twice_the_overlap_over_both_sizes_nan_where_neither_has_it() -> (
    None
):
    one, other = random_map(1, highest=30), random_map(2, highest=40)

    values = dice(one, other)

    assert values.shape == (117,)
    for index in range(41):
        both = ((one == index) & (other == index)).sum()
        assert values[index] == 2 * both / ((one == index).sum() + (other == index).sum())
    assert (values[31:41] == 0).all()  # one map alone has them
    assert np.isnan(values[41:]).all()
    np.testing.assert_array_equal(values, dice(other, one))


def test_given_maps_of_two_shapes_then_dice_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        dice(random_map(1), random_map(1)[1:])
