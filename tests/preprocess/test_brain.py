"""Is it a brain, and was it stripped before? Asked of Colin27, a real head, and of what could be taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.aal import COLIN27_BRAIN, COLIN27_HEAD
from parcela.errors import StepFailed
from parcela.imaging.volume import read_volume
from parcela_preprocess.brain import brain_of_stripped, check_brain, largest_part

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
MM2 = (2.0, 2.0, 2.0)
EVERY_OTHER = (slice(None, None, 2),) * 3


@pytest.fixture(scope="module")
def head() -> Image:
    """Colin27's whole head, 2 mm."""
    return read_volume(COLIN27_HEAD).data[EVERY_OTHER]


@pytest.fixture(scope="module")
def brain() -> Image:
    """The same with the skull taken off, 2 mm."""
    return read_volume(COLIN27_BRAIN).data[EVERY_OTHER]


def ball(centre: tuple[int, int, int], radius: float) -> Mask:
    grid = np.indices((100, 120, 100))
    return np.asarray(((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius**2)


def noise(like: Image) -> Image:
    return np.random.default_rng(0).uniform(1, 5, like.shape).astype(np.float32)


# ---------------------------------------------------------------------------------------- recognising a stripped scan


def test_given_a_whole_head_then_it_is_no_stripped_scan(head: Image) -> None:
    assert brain_of_stripped(head, MM2) is None


def test_given_a_whole_head_in_noise_then_it_is_no_stripped_scan(head: Image) -> None:
    assert brain_of_stripped(head + noise(head), MM2) is None


def test_given_a_head_cut_off_at_the_neck_and_face_then_it_is_no_stripped_scan(head: Image) -> None:
    defaced = head.copy()
    defaced[:, 90:, :40] = 0
    assert brain_of_stripped(defaced[:, :, 30:], MM2) is None


def test_given_a_stripped_scan_then_its_brain_is_what_is_not_background(brain: Image) -> None:
    mask = brain_of_stripped(brain, MM2)
    assert mask is not None
    assert mask.dtype == np.bool_
    assert mask[brain > 0].mean() > 0.999
    np.testing.assert_array_equal(mask, ndimage.binary_fill_holes(mask))
    assert 1200 < mask.sum() * 8 / 1000 < 2300


@pytest.mark.parametrize("background", [-1024.0, 0.0, 3.0])
def test_given_a_background_of_any_one_value_then_the_brain_is_the_same(
    brain: Image, background: float
) -> None:
    shown = np.where(brain > 0, brain + 10, np.float32(background))
    expected, found = brain_of_stripped(brain, MM2), brain_of_stripped(shown, MM2)
    assert expected is not None
    assert found is not None
    np.testing.assert_array_equal(found, expected)


def test_given_a_brain_that_touches_a_corner_of_its_box_then_the_lowest_value_is_the_background(
    brain: Image,
) -> None:
    touching = brain.copy()
    touching[0, 0, 0] = 50
    assert brain_of_stripped(touching, MM2) is not None


def test_given_empty_ventricles_then_they_belong_to_the_brain(brain: Image) -> None:
    hollow = brain.copy()
    hollow[42:48, 50:60, 40:45] = 0
    mask = brain_of_stripped(hollow, MM2)
    assert mask is not None
    assert mask[42:48, 50:60, 40:45].all()


def test_given_crumbs_beside_the_brain_then_they_are_left_out(brain: Image) -> None:
    crumbs = brain.copy()
    crumbs[1:4, 1:4, 1:4] = 80
    mask = brain_of_stripped(crumbs, MM2)
    assert mask is not None
    assert not mask[:5, :5, :5].any()


def test_given_any_array_order_then_the_brain_is_found_where_it_lies(brain: Image) -> None:
    expected = brain_of_stripped(brain, MM2)
    turned = brain_of_stripped(np.ascontiguousarray(brain[::-1].transpose(1, 2, 0)), MM2)
    assert expected is not None
    assert turned is not None
    np.testing.assert_array_equal(turned, expected[::-1].transpose(1, 2, 0))


def test_given_thick_slices_then_their_spacing_counts(brain: Image) -> None:
    assert brain_of_stripped(brain[:, :, ::2], (2.0, 2.0, 4.0)) is not None
    assert (
        brain_of_stripped(brain[:, :, ::2], MM2) is not None
    )  # 900 ml: half a brain is still plausible
    assert brain_of_stripped(brain[:, :, ::4], MM2) is None


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 3.0, 3.0)])
def test_given_something_brain_shaped_of_another_size_then_it_is_no_brain(
    brain: Image, spacing: tuple[float, float, float]
) -> None:
    assert brain_of_stripped(brain, spacing) is None


def test_given_two_halves_apart_then_it_is_no_stripped_scan(brain: Image) -> None:
    parted = brain.copy()
    parted[40:52] = 0
    assert brain_of_stripped(parted, MM2) is None


# ---------------------------------------------------------------------------------------- is a mask plausible?


def test_given_a_brains_mask_then_it_passes(brain: Image) -> None:
    check_brain(brain > 0, MM2, "ROBEX")
    check_brain(ball((50, 60, 50), 35), MM2, "deepbet")


IMPLAUSIBLE = {
    "nothing": (np.zeros((100, 120, 100), np.bool_), "a brain of 0 ml"),
    "a nut": (ball((50, 60, 50), 20), "a brain of 267 ml"),
    "everything": (np.ones((100, 120, 100), np.bool_), "a brain of 9600 ml"),
    "two pieces": (
        ball((50, 32, 50), 27) | ball((50, 90, 50), 27),
        "falls into pieces (the largest holds 50%)",
    ),
}


@pytest.mark.parametrize(("mask", "fault"), IMPLAUSIBLE.values(), ids=IMPLAUSIBLE)
@pytest.mark.parametrize(("method", "other"), [("ROBEX", "deepbet"), ("deepbet", "robex")])
def test_given_a_mask_that_no_brain_has_then_the_fault_and_the_remedy_are_named(
    mask: Mask, fault: str, method: str, other: str
) -> None:
    with pytest.raises(StepFailed) as refused:
        check_brain(mask, MM2, method)
    message = str(refused.value)
    assert message.startswith(method)
    assert fault in message
    assert f"--skull-strip {other}" in message
    assert "--no-preprocess" in message


@pytest.mark.parametrize(
    ("millilitres", "passes"), [(599, False), (601, True), (2299, True), (2301, False)]
)
def test_given_a_volume_at_the_limits_then_they_are_as_documented(
    millilitres: int, passes: bool
) -> None:
    mask = np.zeros((150, 150, 150), np.bool_)
    mask.flat[: millilitres * 1000] = True
    if passes:
        check_brain(mask, (1.0, 1.0, 1.0), "ROBEX")
        return
    with pytest.raises(StepFailed, match=f"{millilitres} ml"):
        check_brain(mask, (1.0, 1.0, 1.0), "ROBEX")


def test_given_parts_that_touch_only_at_a_corner_then_they_are_apart() -> None:
    mask = np.zeros((4, 4, 4), np.bool_)
    mask[:2, :2, :2] = True
    mask[2, 2, 2] = True
    kept = largest_part(mask)
    assert kept.sum() == 8
    assert not kept[2, 2, 2]


def test_given_an_empty_mask_then_its_largest_part_is_empty() -> None:
    assert not largest_part(np.zeros((3, 3, 3), np.bool_)).any()
