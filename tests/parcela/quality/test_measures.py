"""Each measure on arrays whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.counts import RegionCounts
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.quality.measures import (
    block_means,
    image_distance,
    image_numbers,
    island_share,
    log_shares,
    sidedness,
    sides_right,
    texture,
)
from parcela.quality.reference import reference

Image = NDArray[np.float32]


def average_brain() -> Image:
    """The reference's own coarse image on the networks' grid."""
    usual = reference()
    coarse = usual.coarse(usual.coarse_image)
    fine = np.kron(coarse, np.ones((8, 8, 8)))
    first = [(a - b) // 2 for a, b in zip(fine.shape, MODEL_SHAPE, strict=True)]
    inside = tuple(slice(f, f + n) for f, n in zip(first, MODEL_SHAPE, strict=True))
    return fine[inside].astype(np.float32)


def test_given_pieces_apart_then_islands_are_their_share() -> None:
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[1:5, 1:5, 1:5] = 7  # 64 voxels
    labels[8, 8, 7:9] = 7  # 2 apart
    assert island_share(labels) == pytest.approx(2 / 66)


def test_given_no_labels_then_no_islands_and_no_sides() -> None:
    empty = np.zeros((4, 4, 4), np.uint8)
    assert island_share(empty) == 0
    assert np.isnan(sides_right(empty, np.eye(4)))


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_given_an_array_either_way_round_then_sides_are_told_in_the_world(flip: float) -> None:
    labels = np.zeros((20, 6, 6), np.uint8)
    labels[3:5, 2:4, 2:4], labels[15:17, 2:4, 2:4] = 1, 2  # Precentral_L, Precentral_R
    assert sides_right(labels, np.diag([flip, 1.0, 1.0, 1.0])) == (flip > 0)


def test_given_a_region_without_a_voxel_then_its_share_has_a_logarithm() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0] = 1
    shares = log_shares(RegionCounts.of(labels))
    assert shares[0] == 0
    assert shares[1] == pytest.approx(np.log(0.5 / 16))


def test_given_noise_then_texture_is_high_and_low_once_it_is_blurred() -> None:
    noise = np.random.default_rng(0).normal(1, 0.1, (24, 24, 24)).astype(np.float32)
    mask = np.ones(noise.shape, np.bool_)
    assert texture(noise, mask) == pytest.approx(np.sqrt(2), rel=0.05)
    assert texture(ndimage.gaussian_filter(noise, 2), mask) < 0.5
    assert texture(np.ones_like(noise), mask) == 0


def test_given_a_grid_that_blocks_do_not_fill_then_nothing_of_it_is_lost() -> None:
    image = np.random.default_rng(0).random((13, 10, 16)).astype(np.float32)
    blocks = block_means(image)
    assert blocks.shape == (2, 2, 2)
    assert blocks.sum() * 8**3 == pytest.approx(image.sum(), rel=1e-5)


def test_given_the_average_brain_then_it_is_like_itself_and_its_mirror_image_is_noticed() -> None:
    usual, image = reference(), average_brain()
    numbers = image_numbers(image, np.diag([1.6, 1.6, 1.1, 1.0]), usual)
    assert numbers["likeness"] > 0.99
    assert sidedness(image, usual) > 0.5
    assert sidedness(image[::-1], usual) == pytest.approx(-sidedness(image, usual))


def test_given_the_usual_numbers_then_the_distance_is_0_and_the_farthest_is_named() -> None:
    usual = reference()
    numbers = {name: one.mean for name, one in usual.numbers.items()}
    assert image_distance(numbers, usual)[0] == 0
    numbers["texture"] += 8 * usual.numbers["texture"].sd
    distance, farthest = image_distance(numbers, usual)
    assert farthest == "texture"
    assert distance == pytest.approx(8 / np.sqrt(len(numbers)))
