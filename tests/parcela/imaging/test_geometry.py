"""The grid as a value: against nibabel, and against the definitions."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from nifti_files import image, nifti
from parcela.imaging.geometry import Geometry, header_affine

Affine = NDArray[np.float64]
LEFT_TO_RIGHT = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS+ to LPS+ and back


@st.composite
def affines(draw: st.DrawFn, shear: bool = False) -> Affine:
    """Voxel index to world mm: any rotation, flips, permutation, spacing; with ``shear``, axes off the right angle."""
    angles = [draw(st.floats(-180, 180)) for _ in range(3)]
    spacing = [draw(st.floats(0.3, 6)) for _ in range(3)]
    signs = [draw(st.sampled_from([-1, 1])) for _ in range(3)]
    order = draw(st.permutations(range(3)))
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()[:, order] * signs
    off = np.eye(3)
    if shear:
        off[0, 1], off[1, 2] = draw(st.floats(-0.3, 0.3)), draw(st.floats(-0.3, 0.3))
    affine = np.eye(4)
    affine[:3, :3] = turn @ off * spacing
    affine[:3, 3] = [draw(st.floats(-300, 300)) for _ in range(3)]
    return affine


shapes = st.tuples(*[st.integers(2, 40)] * 3)


def read(**fields: Any) -> nib.Nifti1Header:
    return nib.Nifti1Header(nifti(image(), **fields)[:348], "<", check=False)


# ------------------------------------------------------------------------------------------ which affine counts


@pytest.mark.parametrize("qfac", [0.0, 1.0, -1.0, 3.0])
@pytest.mark.parametrize("codes", [(0, 0), (0, 1), (1, 0), (2, 1), (1, 99), (-1, 1), (99, 99)])
def test_given_any_codes_and_qfac_then_the_affine_is_what_nibabel_loads(
    qfac: float, codes: tuple[int, int]
) -> None:
    sform, qform = codes
    header = read(
        sform_code=sform, qform_code=qform, quatern_d=0.6, qoffset_x=-30, pixdim=(0, qfac)
    )
    loaded = nib.Nifti1Header(header.binaryblock, "<", check=True)
    np.testing.assert_array_equal(header_affine(header), loaded.get_best_affine())


def test_given_a_header_when_its_affine_is_asked_for_then_the_header_stays_as_it_was() -> None:
    header = read(pixdim=(0, 0.0), sform_code=99)
    before = header.binaryblock
    header_affine(header)
    assert header.binaryblock == before
    assert Geometry.from_header(header).header.binaryblock == before


@pytest.mark.parametrize(
    ("codes", "known"),
    [((0, 0), False), ((1, 0), True), ((0, 1), True), ((99, 0), False), ((-1, 0), False)],
)
def test_given_codes_then_sides_are_known_only_when_nifti_knows_one(
    codes: tuple[int, int], known: bool
) -> None:
    geometry = Geometry.from_header(read(sform_code=codes[0], qform_code=codes[1]))
    assert geometry.orientation_known is known


RAS, MIRRORED = np.diag([2.0, 2, 2, 1]), np.diag([-2.0, 2, 2, 1])
AXES_SWAPPED = RAS[:, [1, 0, 2, 3]] * [1, -1, 1, 1]  # a quarter turn about z
TURNED_ROUND = np.diag([-2.0, -2, 2, 1])


def turned(degrees: float, affine: Affine = RAS) -> Affine:
    out = np.eye(4)
    out[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix() @ affine[:3, :3]
    return out


def two_forms(sform: Affine, qform: Affine, codes: tuple[int, int] = (1, 1)) -> Geometry:
    scan = nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), sform)
    scan.set_sform(sform, codes[0])
    scan.set_qform(qform, codes[1])
    return Geometry.from_header(scan.header)


@pytest.mark.parametrize(
    "qform", [MIRRORED, AXES_SWAPPED, TURNED_ROUND, turned(60), turned(20, MIRRORED)]
)
def test_given_two_forms_of_other_axes_then_the_sides_are_in_doubt(qform: Affine) -> None:
    geometry = two_forms(RAS, qform)
    assert geometry.orientation_contradicted
    assert geometry.orientation_known
    assert not geometry.sides_known
    again = two_forms(qform, RAS)
    assert again.orientation_contradicted


@pytest.mark.parametrize(
    ("sform", "qform", "codes"),
    [
        (RAS, RAS, (1, 1)),
        (RAS, turned(25), (2, 1)),
        (turned(44.5), turned(45.5), (1, 1)),
        (RAS, MIRRORED, (1, 0)),
        (RAS, MIRRORED, (0, 1)),
        (MIRRORED, MIRRORED, (4, 1)),
    ],
)
def test_given_forms_that_agree_or_one_alone_then_there_is_no_contradiction(
    sform: Affine, qform: Affine, codes: tuple[int, int]
) -> None:
    geometry = two_forms(sform, qform, codes)
    assert not geometry.orientation_contradicted
    assert geometry.sides_known


def test_given_forms_that_tell_of_no_place_then_they_contradict_nothing() -> None:
    damaged = read(sform_code=1, qform_code=1, quatern_b=float("nan"))
    assert not Geometry((4, 5, 6), RAS, damaged).orientation_contradicted
    empty = read(sform_code=1, qform_code=1, srow_x=(0, 0, 0, 0))
    assert not Geometry((4, 5, 6), RAS, empty).orientation_contradicted


@pytest.mark.parametrize("degrees", [0.0, 3.0, 30.0, 44.0])
@pytest.mark.parametrize("base", [RAS, MIRRORED, AXES_SWAPPED])
def test_given_a_turned_grid_then_its_tilt_is_the_angle_from_the_nearest_axes(
    degrees: float, base: Affine
) -> None:
    geometry = Geometry.of_grid((4, 5, 6), turned(degrees, base))
    assert geometry.tilt_degrees == pytest.approx(degrees, abs=1e-4)


# ------------------------------------------------------------------------------------------ what a grid says


@given(shape=shapes, affine=affines())
def test_given_a_grid_of_our_own_when_its_header_is_read_back_then_it_is_the_same_grid(
    shape: tuple[int, int, int], affine: Affine
) -> None:
    geometry = Geometry.of_grid(shape, affine)
    again = Geometry.from_header(geometry.header)
    assert again.shape == shape
    np.testing.assert_allclose(again.affine, affine, atol=1e-4)  # float32 in the header
    # Near half a turn the quaternion's fourth part, which NIfTI leaves out, is known to the root of float32's eps.
    np.testing.assert_allclose(geometry.header.get_qform(), affine, atol=0.02)
    assert geometry.orientation_known


@given(affine=affines())
def test_given_a_grid_without_shear_then_spacing_and_volume_are_those_of_its_voxels(
    affine: Affine,
) -> None:
    geometry = Geometry.of_grid((5, 6, 7), affine)
    origin = affine @ [0, 0, 0, 1]
    steps = [affine @ step - origin for step in ([1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1])]
    np.testing.assert_allclose(geometry.spacing_mm, [np.linalg.norm(step) for step in steps])
    assert geometry.voxel_volume_mm3 == pytest.approx(np.prod(geometry.spacing_mm))
    assert not geometry.sheared


def test_given_a_shear_then_it_is_seen_and_the_voxels_volume_is_unchanged() -> None:
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[0, 1] = 0.5
    geometry = Geometry.of_grid((5, 6, 7), affine)
    assert geometry.sheared
    assert geometry.voxel_volume_mm3 == pytest.approx(6)  # a prism keeps its base and height


@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "PSR", "ILA"])
def test_given_a_grid_along_the_axes_then_their_letters_are_told(axes: str) -> None:
    turn = nib.orientations.axcodes2ornt(axes)
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, sign) in enumerate(turn):
        affine[int(world), axis] = sign
    assert Geometry.of_grid((5, 6, 7), affine).axcodes == axes


# ------------------------------------------------------------------------------------------ what ITK gets


@given(shape=shapes, affine=affines(shear=True))
def test_given_any_grid_then_the_orthonormal_one_has_right_angles_the_same_spacing_centre_and_handedness(
    shape: tuple[int, int, int], affine: Affine
) -> None:
    geometry = Geometry.of_grid(shape, affine)
    straight = geometry.orthonormal_affine()
    direction = straight[:3, :3] / np.asarray(geometry.spacing_mm)
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-9)
    assert np.sign(np.linalg.det(direction)) == np.sign(np.linalg.det(affine[:3, :3]))
    centre = np.append((np.asarray(shape) - 1) / 2, 1)
    np.testing.assert_allclose(straight @ centre, affine @ centre, atol=1e-6)


@given(shape=shapes, affine=affines())
def test_given_a_grid_without_shear_then_the_orthonormal_one_is_itself(
    shape: tuple[int, int, int], affine: Affine
) -> None:
    np.testing.assert_allclose(
        Geometry.of_grid(shape, affine).orthonormal_affine(), affine, atol=1e-6
    )


@given(affine=affines(shear=True), turn=affines())
def test_given_a_sheared_grid_then_no_other_rotation_is_nearer_than_the_chosen_one(
    affine: Affine, turn: Affine
) -> None:
    geometry = Geometry.of_grid((9, 9, 9), affine)
    unit = affine[:3, :3] / np.asarray(geometry.spacing_mm)
    chosen = geometry.orthonormal_affine()[:3, :3] / np.asarray(geometry.spacing_mm)
    other = turn[:3, :3] / np.linalg.norm(turn[:3, :3], axis=0)
    assert np.linalg.norm(unit - chosen) <= np.linalg.norm(unit - other) + 1e-9


@given(shape=shapes, affine=affines(), index=st.tuples(*[st.floats(0, 40)] * 3))
def test_given_itks_frame_then_a_voxel_lies_where_it_lay_with_x_and_y_negated(
    shape: tuple[int, int, int], affine: Affine, index: tuple[float, float, float]
) -> None:
    origin, spacing, direction = Geometry.of_grid(shape, affine).itk_frame()
    theirs = np.asarray(origin) + direction @ (np.asarray(spacing) * index)  # ITK's own formula
    ours = LEFT_TO_RIGHT @ affine @ np.append(index, 1)
    np.testing.assert_allclose(theirs, ours[:3], atol=1e-6)
