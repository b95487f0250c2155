"""A finished map of a small phantom, judged: what only the scan shows comes into the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from parcela.imaging.field_of_view import Cut
from parcela.imaging.geometry import Geometry
from parcela.imaging.preprocessed import Preprocessed, PreprocessingRecord
from parcela.imaging.trail import GeometryTrail
from parcela.imaging.volume import Volume
from parcela.quality.assess import Evidence, assess
from parcela.quality.verdict import Quality

SHAPE = (16, 16, 16)
AFFINE = np.diag([8.0, 8.0, 8.0, 1.0])


def evidence() -> Evidence:
    """Two regions in a block of brain, left and right as they should be."""
    image = np.zeros(SHAPE, np.float32)
    image[2:14, 2:14, 2:14] = 0.5
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:8, 2:14, 2:14], labels[8:14, 2:14, 2:14] = 1, 2
    scan = Volume(image * 900, Geometry.of_grid(SHAPE, AFFINE))
    mask = (image > 0).astype(np.uint8)
    trail = GeometryTrail.unmoved(SHAPE, AFFINE)
    ready = Preprocessed(image, mask, trail, PreprocessingRecord(seconds={}))
    return Evidence(scan, ready, labels, labels, AFFINE)


def said(quality: Quality) -> str:
    return "; ".join(quality.reasons)


def test_given_a_map_then_what_it_holds_is_in_the_numbers() -> None:
    quality = assess(evidence())
    assert quality.numbers["regions_missing"] == 114
    assert len(quality.missing_regions) == 114
    assert quality.numbers["regions_ml"] == quality.numbers["brain_ml"]
    assert quality.numbers["sides_right"] == 1
    assert "image_distance" not in quality.numbers, "this grid is not the networks'"


def test_given_sides_written_against_the_affine_then_it_is_said() -> None:
    swapped = replace(evidence(), delivered=evidence().labels[::-1])
    quality = assess(swapped)
    assert quality.verdict == "doubtful"
    assert "left regions lie right of right ones" in said(quality)


def test_given_a_cut_then_side_and_area_are_told() -> None:
    cut = Cut(side="S", area_cm2=150.04, plane=(0, 0, 1, -60))
    ready = replace(evidence().ready, record=PreprocessingRecord(seconds={}, cuts=(cut,)))
    quality = assess(replace(evidence(), ready=ready))
    assert quality.cut_cm2 == {"S": 150.0}
    assert "the field of view cuts the brain" in said(quality)


def test_given_negative_intensities_and_a_spike_then_both_are_said() -> None:
    scan = evidence().scan
    data = scan.data.copy()
    data[4:6, 4:6, 4:12] *= -1  # 32 of 1728
    data[9, 9, 9] = 1e6
    reasons = said(assess(replace(evidence(), scan=scan.with_data(data))))
    assert "negative intensities" in reasons
    assert "spikes" in reasons


def test_given_two_networks_that_disagree_then_it_is_said() -> None:
    labels = evidence().labels
    quality = assess(replace(evidence(), by_network={"unet": labels, "highresnet": labels[::-1]}))
    assert quality.numbers["agreement"] == 0
    assert "U-Net and HighResNet disagree" in said(quality)


def test_given_an_atlas_that_had_to_be_bent_far_then_it_is_doubted() -> None:
    quality = assess(replace(evidence(), bent_mm=7.0))
    assert (quality.verdict, quality.numbers["bent_mm"]) == ("doubtful", 7.0)
    assert "the atlas had to be bent" in said(quality)
    assert "bent_mm" not in assess(evidence()).numbers
