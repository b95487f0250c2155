"""The geometry trail: there and back, in memory and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parcela.imaging.trail import GeometryTrail, Grid
from parcela.record import BadRecord

numbers = st.floats(-1e6, 1e6)
matrices = arrays(np.float64, (4, 4), elements=numbers)
shapes = st.tuples(*[st.integers(1, 512)] * 3)
grids = st.builds(Grid, shape=shapes, affine=matrices)
trails = st.builds(
    GeometryTrail,
    scan=grids,
    model=grids,
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
        scan=Grid(shape=(150, 180, 160), affine=scan),
        model=Grid(shape=(91, 122, 123), affine=model),
        removed_origin_mm=(-68.0, -100.0, -60.0),
        steps=("crop",),
    )


@given(trails)
def test_given_any_trail_when_written_and_read_then_every_number_is_the_same(
    trail: GeometryTrail,
) -> None:
    again = GeometryTrail.from_json(trail.to_json())
    for one, other in ((again, trail), (again.scan, trail.scan), (again.model, trail.model)):
        for name, value in other:
            if not isinstance(value, Grid):
                np.testing.assert_array_equal(getattr(one, name), value)
            assert type(getattr(one, name)) is type(value)


def test_given_numpys_integers_in_a_shape_when_read_back_then_they_are_plain() -> None:
    plain = oblique()
    shape = tuple(np.int64(n) for n in plain.scan.shape)
    trail = plain.model_copy(update={"scan": Grid(shape=shape, affine=plain.scan.affine)})
    again = GeometryTrail.from_json(trail.to_json())
    assert [type(n) for n in again.scan.shape + again.model.shape] == [int] * 6


def test_given_a_trail_when_a_voxel_goes_over_then_it_keeps_its_place_in_the_world() -> None:
    trail = oblique()
    voxel = np.array([10.0, 20.0, 30.0, 1.0])
    np.testing.assert_allclose(
        trail.model.affine @ trail.scan_to_model() @ voxel, trail.scan.affine @ voxel
    )


def test_given_a_trail_when_a_voxel_goes_there_and_back_then_it_is_the_same() -> None:
    trail = oblique()
    np.testing.assert_allclose(trail.model_to_scan() @ trail.scan_to_model(), np.eye(4), atol=1e-12)


def test_given_a_trail_of_another_version_when_read_then_both_versions_are_named() -> None:
    record = json.loads(oblique().to_json())
    record["version"] = 2
    with pytest.raises(BadRecord, match="version: Input should be 1, not 2"):
        GeometryTrail.from_json(json.dumps(record))


@pytest.mark.parametrize("field", ["version", "scan", "model", "removed_origin_mm", "steps"])
def test_given_a_trail_with_a_field_missing_when_read_then_it_is_refused(field: str) -> None:
    record = json.loads(oblique().to_json())
    del record[field]
    with pytest.raises(BadRecord, match=f"geometrytrail record: {field}: Field required"):
        GeometryTrail.from_json(json.dumps(record))


@pytest.mark.parametrize("affine", [[[1, 2], [3, 4]], "none", [[None] * 4] * 3])
def test_given_a_trail_with_a_damaged_affine_when_read_then_its_place_is_named(
    affine: object,
) -> None:
    record = json.loads(oblique().to_json())
    record["scan"]["affine"] = affine
    with pytest.raises(BadRecord, match=r"scan\.affine: "):
        GeometryTrail.from_json(json.dumps(record))
