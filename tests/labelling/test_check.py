"""A good registration passes; each way of going wrong is named."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from labelling.itk_files import affine_file, warp_file
from parcela.atlas.colin27 import colin27
from parcela_labelling.check import LIMITS, Check, check_registration
from parcela_labelling.reference import reference, reference_table, volume_z
from parcela_labelling.register import Registration
from parcela_labelling.transforms import AFFINE, WARP, Transforms

STEP = 2  # mm


@cache
def good() -> tuple[NDArray[np.float32], Registration]:
    """Colin27 as its own scan, a little blurred and stripped less tightly, and AAL where it belongs."""
    fine = colin27()
    every = (slice(None, None, STEP),) * 3
    image = np.maximum(ndimage.uniform_filter(fine.brain, 5) / fine.brain.max(), 0.01)
    image = np.where((fine.brain > 0) | (fine.labels > 0), image, 0)[every]
    identity = Transforms({AFFINE: affine_file(np.eye(3), [0.0] * 3, [0.0] * 3)})
    return image, Registration(fine.labels[every], fine.brain[every], identity)


def with_scale(factor: float) -> Transforms:
    """An affine that changes volumes by ``factor``."""
    return Transforms({AFFINE: affine_file(np.cbrt(factor) * np.eye(3), [0.0] * 3, [0.0] * 3)})


def reasons(check: Check) -> str:
    return "; ".join(check.reasons)


def test_given_a_good_registration_then_it_is_ok_and_nothing_is_said() -> None:
    check = check_registration(*good())
    assert (check.verdict, check.reasons, check.warning()) == ("ok", (), None)


def test_given_an_atlas_upside_down_then_it_failed() -> None:
    image, found = good()
    check = check_registration(
        image, replace(found, labels=found.labels[:, :, ::-1], brain=found.brain[:, :, ::-1])
    )
    assert check.verdict == "failed"
    assert "does not look like the scan" in reasons(check)
    assert "do not use these labels" in str(check.warning())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_given_labels_shifted_by_two_centimetres_then_it_failed(axis: int) -> None:
    image, found = good()
    check = check_registration(image, replace(found, labels=np.roll(found.labels, 10, axis)))
    assert check.verdict == "failed"
    assert "labels lie outside the scan's brain" in reasons(check)


def test_given_regions_of_sizes_nobody_has_then_the_regions_are_named() -> None:
    image, found = good()
    labels = found.labels.copy()
    labels[np.isin(labels, range(3, 60))] = (
        1  # most of the cerebrum becomes the left precentral gyrus
    )
    check = check_registration(image, replace(found, labels=labels))
    assert check.verdict == "failed"
    assert "57" in f"{check.measures['regions_missing']:.0f}"
    assert "regions of the atlas have no voxel" in reasons(check)
    assert "region volumes are far from those of other adults" in reasons(check)
    assert check.unusual_regions["Precentral_L"] > 10


@pytest.mark.parametrize(
    ("factor", "verdict", "words"),
    [
        (1.2, "ok", ""),
        (2.0, "doubtful", "far smaller than the atlas's"),
        (0.5, "doubtful", "far larger than the atlas's"),
        (4.0, "failed", "far smaller than the atlas's"),
    ],
)
def test_given_an_affine_of_some_scale_then_implausible_ones_are_named(
    factor: float, verdict: str, words: str
) -> None:
    image, found = good()
    check = check_registration(image, replace(found, transforms=with_scale(factor)))
    assert check.verdict == verdict
    assert words in reasons(check)


def test_given_a_warp_that_folds_then_it_failed() -> None:
    image, found = good()
    noise = np.random.default_rng(0).normal(0, 5, (*image.shape, 3)).astype(np.float32)
    transforms = Transforms(found.transforms.files | {WARP: warp_file(noise)})
    check = check_registration(image, replace(found, transforms=transforms))
    assert check.verdict == "failed"
    assert "folds space onto itself" in reasons(check)


def test_given_an_empty_label_map_then_it_failed_and_the_json_has_no_nan() -> None:
    image, found = good()
    nothing = replace(found, labels=np.zeros_like(found.labels), brain=np.zeros_like(found.brain))
    check = check_registration(image, nothing)
    assert check.verdict == "failed"
    record = json.loads(check.to_json(), parse_constant=pytest.fail)
    assert record["measures"]["similarity"] is None
    assert record["measures"]["regions_missing"] == 116
    assert Check.from_json(check.to_json()).to_json() == check.to_json()


def test_given_each_limit_then_its_two_values_lie_in_order_and_its_measure_exists() -> None:
    measures = check_registration(*good()).measures
    for limit in LIMITS:
        assert limit.sense * limit.grave > limit.sense * limit.mild
        assert limit.number in measures


def test_given_the_reference_when_made_again_from_maps_then_the_table_reads_back() -> None:
    mean, sd = reference()
    assert mean.shape == sd.shape == (116,)
    assert 0.95 < np.exp(mean).sum() < 1.0  # a mean of logarithms lies a little below
    assert (sd > 0.03).all()
    assert (sd < 0.3).all()
    labels = good()[1].labels
    lines = reference_table([labels, np.roll(labels, 1), labels[::-1]]).splitlines()
    assert len(lines) == 117
    assert lines[1].split("\t")[:2] == ["1", "Precentral_L"]


def test_given_aal_on_its_own_brain_then_no_region_is_beyond_six_standard_deviations() -> None:
    assert abs(volume_z(colin27().labels)).max() < 6
