"""The geometry trail: there and back, in memory and as JSON."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parcela.imaging.trail import TRAIL_VERSION, GeometryTrail

numbers = st.floats(-1e6, 1e6)
matrices = arrays(np.float64, (4, 4), elements=numbers)
shapes = st.tuples(*[st.integers(1, 512)] * 3)
trails = st.builds(
    GeometryTrail,
    scan_shape=shapes,
    scan_affine=matrices,
    model_shape=shapes,
    model_affine=matrices,
    removed_origin_mm=st.tuples(numbers, numbers, numbers),
    steps=st.lists(st.text()).map(tuple),
)


def oblique() -> GeometryTrail:
    """A scan of 1.2 mm voxels, its first axis to the left and tilted; the model's grid of 2 mm."""
    scan = np.diag([-1.2, 1.2, 1.2, 1.0])
    scan[:3, 3] = [90, -120, -70]
    scan[1, 2] = 0.1
    model = np.diag([1.5, 1.4, 1.3, 1.0])
    model[:3, 3] = [-68, -100, -60]
    return GeometryTrail(
        (150, 180, 160), scan, (91, 122, 123), model, (-68.0, -100.0, -60.0), ("crop",)
    )


@given(trails)
def test_given_any_trail_when_written_and_read_then_every_number_is_the_same(
    trail: GeometryTrail,
) -> None:
    again = GeometryTrail.from_json(trail.to_json())
    for field in fields(GeometryTrail):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(trail, field.name))
        assert type(getattr(again, field.name)) is type(getattr(trail, field.name))


def test_given_numpys_integers_in_a_shape_when_read_back_then_they_are_plain() -> None:
    again = GeometryTrail.from_json(oblique().to_json())
    assert [type(n) for n in again.scan_shape + again.model_shape] == [int] * 6


def test_given_a_trail_when_a_voxel_goes_over_then_it_keeps_its_place_in_the_world() -> None:
    trail = oblique()
    voxel = np.array([10.0, 20.0, 30.0, 1.0])
    np.testing.assert_allclose(
        trail.model_affine @ trail.scan_to_model() @ voxel, trail.scan_affine @ voxel
    )


def test_given_a_trail_when_a_voxel_goes_there_and_back_then_it_is_the_same() -> None:
    trail = oblique()
    np.testing.assert_allclose(trail.model_to_scan() @ trail.scan_to_model(), np.eye(4), atol=1e-12)


def test_given_a_trail_of_another_version_when_read_then_both_versions_are_named() -> None:
    record = json.loads(oblique().to_json())
    record["version"] = TRAIL_VERSION + 1
    with pytest.raises(ValueError, match=f"version {TRAIL_VERSION + 1}; this is {TRAIL_VERSION}"):
        GeometryTrail.from_json(json.dumps(record))


@pytest.mark.parametrize("field", ["version", "scan", "model", "removed_origin_mm", "steps"])
def test_given_a_trail_with_a_field_missing_when_read_then_it_is_refused(field: str) -> None:
    record = json.loads(oblique().to_json())
    del record[field]
    with pytest.raises(KeyError, match=field):
        GeometryTrail.from_json(json.dumps(record))
