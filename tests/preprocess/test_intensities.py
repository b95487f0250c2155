"""Intensities of any sign, offset, scale and spike: what they become, and that ordinary ones stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from in_process import run_here
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import Volume
from parcela_preprocess.intensities import above_zero, in_brain, unbearable, without_spikes
from parcela_preprocess.preprocess import preprocess
from phantoms import Phantom, sample

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
SMALL = Phantom("small", spacing_mm=(4.0, 4.0, 4.0), size=0.5)


@pytest.fixture(scope="module")
def brain() -> Image:
    """Colin27's brain at half its size, 2 mm, whole numbers, 0 around."""
    return np.round(sample(SMALL)[0])


@pytest.fixture(scope="module")
def inside(brain: Image) -> Mask:
    return brain > 0


def volume(image: Image) -> Volume:
    affine, (x, y, z) = SMALL.affine()
    return Volume(image.astype(np.float32), Geometry.of_grid((x, y, z), affine))


def one(image: Image, value: float) -> Image:
    """One voxel in the middle of the brain has another value."""
    changed = image.copy()
    middle = tuple(int(v) for v in np.argwhere(image > 0).mean(0))
    changed[middle] = value
    return changed


def zscore(image: Image, around: float) -> Image:
    tissue = image[image > 0]
    return np.where(image > 0, (image - tissue.mean()) / tissue.std(), around).astype(np.float32)


def ringing(image: Image) -> Image:
    """Resampled by splines, which swing below 0 beside an edge."""
    return np.asarray(ndimage.shift(image, (0.4, 0.3, 0.2), order=3), np.float32)


BEYOND: dict[str, Callable[[Image], Image]] = {
    "one voxel below 0": lambda image: one(image, -20),
    "dozens of voxels below 0": lambda image: np.where(
        np.random.default_rng(0).random(image.shape) < 0.0005, -image, image
    ),
    "z-scored, 0 around": lambda image: zscore(image, 0),
    "z-scored, -1024 around": lambda image: zscore(image, -1024),
    "an offset of -1000": lambda image: np.where(image > 0, image - 1000, 0),
    "an offset of -1024 everywhere": lambda image: image - 1024,
    "an offset of 1e5": lambda image: np.where(image > 0, image + 1e5, 0),
    "a spike of 1e6": lambda image: one(image, 1e6),
    "a spike of 20 times the brightest": lambda image: one(image, 20 * float(image.max())),
    "a hole of -1e6": lambda image: one(image, -1e6),
    "resampled by splines": ringing,
    "millionths": lambda image: image * np.float32(1e-9),
    "billions": lambda image: image * np.float32(1e9),
}


@pytest.mark.parametrize("change", BEYOND.values(), ids=BEYOND)
def test_given_intensities_that_the_steps_cannot_bear_then_the_brain_is_as_before_and_it_is_said(
    brain: Image, inside: Mask, change: Callable[[Image], Image]
) -> None:
    changed = np.asarray(change(brain), np.float32)
    mended, notes = in_brain(changed, inside)
    assert notes
    assert mended.dtype == np.float32
    assert (mended[~inside] == 0).all()
    assert mended.min() == 0
    assert (mended[inside] > 0).mean() > 0.97
    least = 0.85 if change is ringing else 0.97  # which also moves the brain, by half a voxel
    assert np.corrcoef(mended[inside], brain[inside])[0, 1] > least
    bright = np.percentile(mended[inside], 99)
    assert mended.max() < 6 * bright
    assert 1e-2 < bright < 1e6


@pytest.mark.parametrize("scale", [1.0, 1 / 4096, 16.0])
@pytest.mark.parametrize("around", [0.0, -1024.0, 7.0])
def test_given_ordinary_intensities_then_not_a_byte_of_the_brain_changes(
    brain: Image, inside: Mask, scale: float, around: float
) -> None:
    scan = np.where(inside, brain * np.float32(scale), np.float32(around))
    kept, notes = in_brain(scan, inside)
    assert notes == ()
    np.testing.assert_array_equal(kept, brain * np.float32(scale))
    assert unbearable(scan, inside) == ()


def test_given_nothing_in_the_mask_then_nothing_comes_back(brain: Image, inside: Mask) -> None:
    nothing, notes = in_brain(brain, np.zeros_like(inside))
    assert not nothing.any()
    assert notes == ()


# ------------------------------------------------------------------------------------ a whole scan, before its brain


@pytest.mark.parametrize("value", [1e6, 1e30, -1e6, 5e3])
def test_given_a_spike_anywhere_then_it_is_cut_and_the_rest_stays(
    brain: Image, value: float
) -> None:
    spoilt = brain.copy()
    spoilt[0, 5, 5] = value
    cut, notes = without_spikes(spoilt)
    assert len(notes) == 1
    assert notes[0].startswith("1 voxel lies far outside")
    spike = spoilt == np.float32(value)
    np.testing.assert_array_equal(cut[~spike], brain[~spike])
    assert 0 <= cut[0, 5, 5] < 3 * np.percentile(brain[brain > 0], 99)


def test_given_no_spike_then_the_very_scan_comes_back(brain: Image) -> None:
    kept, notes = without_spikes(brain)
    assert kept is brain
    assert notes == ()
    assert above_zero(brain) is brain


@pytest.mark.parametrize("offset", [-1000.0, -1024.0, -3.0])
def test_given_a_scan_below_zero_then_its_air_is_at_zero_for_the_extraction(
    brain: Image, offset: float
) -> None:
    raised = above_zero(brain + np.float32(offset))
    assert (raised[brain == 0] == 0).all()
    np.testing.assert_allclose(raised, brain, atol=5)


def test_given_a_mark_where_nothing_was_measured_then_it_is_read_as_air(brain: Image) -> None:
    marked = brain.copy()
    marked[:3] = -32768
    np.testing.assert_array_equal(above_zero(marked)[3:], brain[3:])
    assert (above_zero(marked)[:3] == 0).all()


# ------------------------------------------------------------------------------------------------ all nine steps


@pytest.fixture(scope="module", autouse=True)
def here() -> Iterator[None]:
    """N4 in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("parcela_preprocess.transforms.n4.run_isolated", run_here)
        yield


@pytest.fixture(scope="module")
def right(brain: Image, inside: Mask) -> Image:
    return preprocess(volume(brain), mask=inside.astype(np.uint8)).image


@pytest.mark.parametrize("kind", ["one voxel below 0", "z-scored, 0 around", "a spike of 1e6"])
def test_given_such_a_scan_when_preprocessed_then_the_networks_see_what_they_should(
    brain: Image, inside: Mask, right: Image, kind: str
) -> None:
    done = preprocess(volume(BEYOND[kind](brain)), mask=inside.astype(np.uint8))
    assert done.record.warnings
    assert np.corrcoef(done.image.ravel(), right.ravel())[0, 1] > 0.98


def test_given_such_a_scan_when_the_thesis_is_followed_then_it_is_said_loudly(
    brain: Image, inside: Mask
) -> None:
    done = preprocess(volume(one(brain, -20)), preset="thesis", mask=inside.astype(np.uint8))
    assert any("CANNOT BEAR" in warning for warning in done.record.warnings)
    ordinary = preprocess(volume(brain), preset="thesis", mask=inside.astype(np.uint8))
    assert ordinary.record.warnings == ()
