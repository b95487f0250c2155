"""Dice and surface distances of two label maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.meandice import DiceMetric

from parcela.atlas.aal import CLASS_COUNT
from parcela_training.metrics.measures import dice, image_mean, surface_distances

MM = (1.0, 1.0, 1.0)


def line(*ids: int) -> np.ndarray:
    """A label map one voxel wide."""
    return np.array(ids, np.uint8).reshape(-1, 1, 1)


def random_map(seed: int, regions: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, regions + 1, (9, 10, 11), np.uint8)


def one_hot(labels: np.ndarray) -> torch.Tensor:
    """(1, 117, X, Y, Z)."""
    return torch.from_numpy(np.eye(CLASS_COUNT)[labels]).permute(3, 0, 1, 2)[None]


def test_given_two_maps_when_compared_then_dice_is_twice_the_overlap_over_both_sizes() -> None:
    found = dice(predicted=line(0, 0, 0, 1, 1, 2), label=line(0, 0, 1, 1, 1, 2))

    assert found.shape == (CLASS_COUNT,)
    np.testing.assert_allclose(found[:3], [2 * 2 / 5, 2 * 2 / 5, 1.0])
    assert np.isnan(found[3:]).all()


def test_given_a_region_on_one_side_only_then_missed_is_zero_and_invented_is_nan() -> None:
    found = dice(predicted=line(0, 0, 4), label=line(0, 3, 0))

    assert found[3] == 0
    assert np.isnan(found[4])


def test_given_equal_maps_when_compared_then_every_class_present_is_one() -> None:
    labels = random_map(0, 116)

    found = dice(labels, labels)

    np.testing.assert_array_equal(found[np.unique(labels)], 1)


def test_given_random_maps_when_averaged_then_monai_finds_the_same() -> None:
    predicted, label = random_map(1, 40), random_map(2, 30)
    metric = DiceMetric(include_background=True, reduction="mean")
    without = DiceMetric(include_background=False, reduction="mean")

    found = dice(predicted, label)

    for background, monai in ((True, metric), (False, without)):
        monai(one_hot(predicted), one_hot(label))
        theirs = monai.aggregate()
        assert isinstance(theirs, torch.Tensor)
        assert image_mean(found, background=background) == pytest.approx(theirs.item(), abs=1e-6)


def test_given_absent_regions_when_averaged_then_the_mean_is_over_those_present() -> None:
    values = np.full((2, CLASS_COUNT), np.nan)
    values[0, :4] = [1.0, 0.5, 0.0, 0.75]
    values[1, 0] = 1.0

    np.testing.assert_allclose(image_mean(values), [2.25 / 4, 1.0])
    np.testing.assert_allclose(image_mean(values, background=False), [1.25 / 3, np.nan])


@pytest.mark.parametrize(
    ("predicted", "label", "said"),
    [
        (line(0, 1), line(0, 1, 2), "shape"),
        (line(), line(), "shape"),
        (line(0, 117), line(0, 1), "id 117"),
        (line(0, 1), line(0, 200), "id 200"),
        (line(0, 1).astype(np.int16), line(0, 1), "int16"),
    ],
)
def test_given_maps_that_cannot_be_compared_then_it_is_refused(
    predicted: np.ndarray, label: np.ndarray, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        dice(predicted, label)


def cube(index: int, start: int, shape: tuple[int, int, int] = (20, 12, 12)) -> np.ndarray:
    """A cube of 5 voxels that starts at ``start`` along the first axis."""
    labels = np.zeros(shape, np.uint8)
    labels[start : start + 5, 3:8, 3:8] = index
    return labels


def test_given_a_shifted_cube_when_measured_then_its_faces_are_the_shift_in_mm_apart() -> None:
    near = surface_distances(cube(7, 2), cube(7, 4), MM)
    far = surface_distances(cube(7, 2), cube(7, 4), (3.0, 1.0, 1.0))

    assert near.hausdorff95_mm[7] == pytest.approx(2)
    assert 0 < near.average_mm[7] < 2
    assert far.hausdorff95_mm[7] > 2
    assert far.average_mm[7] > near.average_mm[7]


def test_given_equal_maps_when_measured_then_every_distance_is_zero() -> None:
    labels = random_map(3, 5)

    found = surface_distances(labels, labels, (1.5, 1.4, 1.1))

    np.testing.assert_array_equal(found.hausdorff95_mm[1:6], 0)
    np.testing.assert_array_equal(found.average_mm[1:6], 0)


def test_given_a_region_that_either_map_lacks_when_measured_then_it_has_no_distance() -> None:
    found = surface_distances(cube(7, 2) + cube(9, 12), cube(7, 2) + cube(11, 12), MM)

    for values in (found.hausdorff95_mm, found.average_mm):
        assert np.flatnonzero(~np.isnan(values)).tolist() == [7]


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
def test_given_regions_at_the_edge_when_cut_out_then_distances_equal_those_of_the_whole() -> None:
    predicted, label = cube(7, 0), cube(7, 15)
    one, two = (torch.from_numpy((labels == 7)[None, None]) for labels in (predicted, label))

    whole = compute_hausdorff_distance(
        one, two, include_background=True, percentile=95, spacing=(2.0, 1.0, 1.0)
    )

    found = surface_distances(predicted, label, (2.0, 1.0, 1.0))
    assert found.hausdorff95_mm[7] == pytest.approx(whole.item())
