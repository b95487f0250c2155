"""N4 inside the brain: against ANTs' own, and against fields that are known."""

from __future__ import annotations

import ants
import numpy as np
import pytest
from numpy.typing import NDArray

from parcela.atlas.aal import COLIN27_BRAIN
from parcela.imaging.volume import read_volume
from parcela_preprocess.bias_field import without_bias

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@pytest.fixture(scope="module")
def brain() -> Image:
    """Colin27's brain at 3 mm, corrected once: what is left of a field is small."""
    image = np.ascontiguousarray(read_volume(COLIN27_BRAIN).data[::3, ::3, ::3])
    return without_bias(image, image > 0)


def field(shape: tuple[int, ...], seed: int) -> Image:
    """A polynomial of third degree, its logarithm of spread 0.12 over the grid."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    weights = np.random.default_rng(seed).normal(size=(4, 4, 4))
    powers = [(i, j, k) for i in range(4) for j in range(4) for k in range(4) if 0 < i + j + k < 4]
    log = sum(weights[i, j, k] * x**i * y**j * z**k for i, j, k in powers)
    return np.asarray(np.exp(log * 0.12 / np.std(log)), np.float32)


def by_ants(image: Image, mask: Mask | None) -> Image:
    given = None if mask is None else ants.from_numpy(mask.astype(np.float32))
    corrected = ants.n4_bias_field_correction(ants.from_numpy(image), mask=given)
    return np.asarray(corrected.numpy(), np.float32)


def spread(first: Image, second: Image, mask: Mask) -> float:
    """Of the logarithm of two images' ratio over a mask: 0 where they differ by a factor."""
    return float(np.log(first[mask] / second[mask]).std())


def test_given_a_brain_under_a_field_then_it_is_what_ants_makes_of_it_within_its_mask(
    brain: Image,
) -> None:
    image = (brain * field(brain.shape, 0))[:-1, :, 1:].astype(np.float32)
    assert {n % 4 for n in image.shape} >= {0, 1}  # sides that fours do not fill count too
    mask = image > 0
    image[tuple(np.argwhere(mask)[::1000].T)] = 0  # the mask may hold voxels without a logarithm
    found, expected = without_bias(image, mask), by_ants(image, mask)
    assert spread(found, image, image > 0) > 0.05
    assert spread(found, expected, image > 0) < 1e-4
    assert not found[~mask].any()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_given_a_known_field_then_little_of_it_is_left(brain: Image, seed: int) -> None:
    mask = brain > 0
    image = brain * field(brain.shape, seed)
    assert spread(image, brain, mask) > 0.04
    assert spread(without_bias(image, mask), without_bias(brain, mask), mask) < 0.02


@pytest.mark.slow
def test_given_a_known_field_then_less_of_it_is_left_than_the_published_call_leaves(
    brain: Image,
) -> None:
    mask = brain > 0
    image = brain * field(brain.shape, 1)
    ours = spread(without_bias(image, mask), without_bias(brain, mask), mask)
    assert ours < spread(by_ants(image, None), by_ants(brain, None), mask)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 7), (4, 5, 1)])
def test_given_a_grid_of_few_voxels_or_no_brain_then_the_image_stays_finite(
    shape: tuple[int, int, int],
) -> None:
    image = np.random.default_rng(0).uniform(1, 2, shape).astype(np.float32)
    assert np.isfinite(without_bias(image, np.ones(shape, np.bool_))).all()
    np.testing.assert_array_equal(without_bias(image, np.zeros(shape, np.bool_)), image)
    flat = np.full(shape, 5, np.float32)
    np.testing.assert_array_equal(without_bias(flat, np.ones(shape, np.bool_)), flat)
