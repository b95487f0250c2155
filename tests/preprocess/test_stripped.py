"""A scan said to be stripped: its brain, crumbs beside it, and what is refused as no stripped brain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.aal import COLIN27_BRAIN, COLIN27_HEAD
from parcela.errors import BadScan
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import Volume, read_volume
from parcela_preprocess.brain import brain_of_stripped
from parcela_preprocess.preprocess import preprocess
from parcela_preprocess.stripped import main_parts, stripped_brain, without_ringing

Image = NDArray[np.float32]
MM3 = (3.0, 3.0, 3.0)
EVERY_THIRD = (slice(None, None, 3),) * 3


def noise(shape: tuple[int, ...], spread: float = 1.0) -> Image:
    return np.random.default_rng(0).normal(0, spread, shape).astype(np.float32)


def stray(brain: Image, place: tuple[int, int, int], value: float = 90) -> Image:
    changed = brain.copy()
    changed[place] = value
    return changed


@pytest.fixture(scope="module")
def brain() -> Image:
    """Colin27's brain, 3 mm, with room around."""
    return np.pad(read_volume(COLIN27_BRAIN).data[EVERY_THIRD], 3)


@pytest.fixture(scope="module")
def head() -> Image:
    return read_volume(COLIN27_HEAD).data[EVERY_THIRD]


# ------------------------------------------------------------------------------------------------ refused


REFUSED: dict[str, Callable[[Image], Image]] = {
    "a whole head": lambda head: head,
    "a whole head, one voxel below 0": lambda head: stray(head, (30, 36, 30), -20),
    "a whole head in noise": lambda head: head + np.abs(noise(head.shape, 8)),
    "noise alone": lambda head: noise(head.shape),
    "noise in a small field": lambda head: noise(head[:40, :40, :40].shape),
    "a few voxels": lambda head: stray(np.zeros_like(head), (30, 36, 30)),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_given_what_is_no_stripped_brain_then_it_is_refused_with_what_to_do(
    head: Image, make: Callable[[Image], Image]
) -> None:
    with pytest.raises(BadScan, match="no skull-stripped brain") as refused:
        stripped_brain(np.asarray(make(head), np.float32), MM3)
    assert "leave --no-preprocess" in str(refused.value)
    assert refused.value.exit_code == 2


# ------------------------------------------------------------------------------------------------ taken


def test_given_an_ordinary_stripped_scan_then_it_is_taken_as_it_is(brain: Image) -> None:
    scan, mask, notes = stripped_brain(brain, MM3)
    assert scan is brain
    assert notes == ()
    np.testing.assert_array_equal(mask, brain > 0)


CRUMBS: dict[str, Callable[[Image], Image]] = {
    "in a corner": lambda brain: stray(brain, (0, 0, 0)),
    "near a corner": lambda brain: stray(brain, (1, 1, 1)),
    "far brighter than the brain": lambda brain: stray(brain, (1, 1, 1), 1e6),
    "at the far end": lambda brain: stray(brain, (-2, 30, -2)),
}


@pytest.mark.parametrize("make", CRUMBS.values(), ids=CRUMBS)
def test_given_stray_voxels_then_the_brain_alone_is_taken(
    brain: Image, make: Callable[[Image], Image]
) -> None:
    scan, mask, notes = stripped_brain(make(brain), MM3)
    np.testing.assert_array_equal(scan, brain)
    np.testing.assert_array_equal(mask, brain > 0)
    assert any("1 voxels apart from the brain" in note for note in notes)


AROUND: dict[str, Callable[[Image], Image]] = {
    "small noise": lambda brain: np.where(brain > 0, brain, noise(brain.shape)),
    "ringing": lambda brain: np.asarray(ndimage.shift(brain, (0.1, 0.1, 0.1), order=3), np.float32),
    "-1024": lambda brain: np.where(brain > 0, brain, -1024),
    "a value above the brain's": lambda brain: np.where(brain > 0, brain, 4095),
    "z-scores and 0": lambda brain: np.where(brain > 0, (brain - 60) / 20, 0),
}


@pytest.mark.parametrize("make", AROUND.values(), ids=AROUND)
def test_given_another_background_then_the_brain_is_found_and_all_else_is_zero(
    brain: Image, make: Callable[[Image], Image]
) -> None:
    scan, mask, _ = stripped_brain(np.asarray(make(brain), np.float32), MM3)
    truth = brain > 0
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.95
    assert (scan[~mask] == 0).all()
    assert scan.min() == 0


def splined(image: Image) -> Image:
    """Moved by parts of a voxel with cubic splines: no voxel of the grid stays 0."""
    return np.asarray(ndimage.shift(image, (0.4, 0.3, 0.2), order=3), np.float32)


SWINGING: dict[str, Callable[[Image], Image]] = {
    "splines": splined,
    "noise of both signs": lambda brain: np.where(brain > 0, brain, noise(brain.shape)),
}


@pytest.mark.parametrize("make", SWINGING.values(), ids=SWINGING)
def test_given_a_background_that_swings_about_zero_then_the_brain_is_found_without_it(
    brain: Image, make: Callable[[Image], Image]
) -> None:
    swinging = np.asarray(make(brain), np.float32)
    assert brain_of_stripped(swinging, MM3) is None, "no voxel tells the background"
    quiet, (note,) = without_ringing(swinging, MM3)
    assert "swings about 0" in note
    mask = brain_of_stripped(quiet, MM3)
    assert mask is not None
    truth = ndimage.binary_fill_holes(brain > 0)
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.95
    assert (quiet[~mask] == 0).all()
    inside = mask & (swinging >= 0)
    np.testing.assert_array_equal(quiet[inside], swinging[inside])


# Each has values below 0 that mean something else than ringing, or none.
STEADY: dict[str, Callable[[Image, Image], Image]] = {
    "an ordinary stripped scan": lambda brain, _: brain,
    "z-scores and 0": lambda brain, _: np.where(brain > 0, (brain - 60) / 20, 0),
    "a brain lowered, 0 around": lambda brain, _: np.where(brain > 0, brain - 40, 0),
    "all lowered": lambda brain, _: brain - 1000,
    "one voxel below 0": lambda brain, _: stray(brain, (30, 36, 30), -20),
    "a whole head resampled by splines": lambda _, head: splined(head),
}


@pytest.mark.parametrize("make", STEADY.values(), ids=STEADY)
def test_given_no_ringing_then_the_very_scan_comes_back(
    brain: Image, head: Image, make: Callable[[Image, Image], Image]
) -> None:
    scan = np.asarray(make(brain, head), np.float32)
    kept, notes = without_ringing(scan, MM3)
    assert kept is scan
    assert notes == ()


def test_given_hemispheres_apart_then_both_are_the_brain(brain: Image) -> None:
    parted = brain.copy()
    parted[brain.shape[0] // 2] = 0
    assert main_parts(parted > 0).sum() > 0.99 * (parted > 0).sum()


def test_given_a_tiny_brain_then_it_is_doubted_loudly(brain: Image) -> None:
    _, _, notes = stripped_brain(brain, (1.5, 1.5, 1.5))
    assert any("IMPLAUSIBLY SMALL" in note for note in notes)


def test_given_a_stray_voxel_when_preprocessed_then_the_box_is_the_brains(brain: Image) -> None:
    def ready(scan: Image) -> Image:
        geometry = Geometry.of_grid(
            (scan.shape[0], scan.shape[1], scan.shape[2]), np.diag([3.0, 3, 3, 1])
        )
        return preprocess(Volume(scan, geometry), preprocess=False).image

    np.testing.assert_array_equal(ready(stray(brain, (1, 1, 1))), ready(brain))
