"""Reading a scan: what is right comes out as nibabel reads it, what is wrong is refused with a reason."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nifti_files import image, nifti, write
from parcela.atlas.aal import COLIN27_HEAD
from parcela.imaging.reading import TRAILING_BYTES
from parcela.imaging.volume import read_volume, scan_name

KINDS = (
    "uint8",
    "int8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
)
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


# ---------------------------------------------------------------------------------------------------- what is right


@one_folder
@given(
    dtype=st.sampled_from(KINDS),
    shape=st.tuples(*[st.integers(2, 9)] * 3),
    order=st.sampled_from("<>"),
    version=st.sampled_from([1, 2]),
    slope=st.sampled_from([1.0, 0.0, 0.5, -3.0, 1e-4, np.nan, np.inf]),
    inter=st.sampled_from([0.0, -1024.0, 7.25]),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    extra_axes=st.integers(0, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_given_a_valid_file_of_any_kind_when_read_then_its_intensities_and_grid_are_nibabels(
    tmp_path: Path,
    dtype: str,
    shape: tuple[int, int, int],
    order: Literal["<", ">"],
    version: int,
    slope: float,
    inter: float,
    suffix: str,
    extra_axes: int,
    seed: int,
) -> None:
    data = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    data.flat[:2] = 0, 100
    content = nifti(
        data.reshape(shape + (1,) * extra_axes),
        version=version,
        order=order,
        scl_slope=slope,
        scl_inter=inter,
    )
    path = write(tmp_path / f"scan{suffix}", content)

    volume = read_volume(path)

    theirs: Any = nib.load(path)
    assert volume.data.dtype == np.float32
    np.testing.assert_allclose(volume.data, theirs.get_fdata().reshape(shape), rtol=1e-6)
    np.testing.assert_array_equal(volume.geometry.affine, theirs.affine)
    assert volume.geometry.shape == shape


def test_given_a_real_head_when_read_then_every_voxel_is_nibabels() -> None:
    volume = read_volume(COLIN27_HEAD)
    theirs: Any = nib.load(COLIN27_HEAD)
    np.testing.assert_array_equal(volume.data, np.asarray(theirs.dataobj))
    np.testing.assert_array_equal(volume.geometry.affine, theirs.affine)
    assert volume.sha256 == hashlib.sha256(COLIN27_HEAD.read_bytes()).hexdigest()
    assert volume.name == "ch2"
    assert volume.warnings == ()


def test_given_large_integers_with_an_offset_when_read_then_no_digit_is_lost_on_the_way(
    tmp_path: Path,
) -> None:
    data = 2**30 + image(dtype="int32")  # float32 alone would keep only every 64th value
    path = write(tmp_path / "scan.nii", nifti(data, scl_slope=1.0, scl_inter=-(2.0**30)))
    np.testing.assert_array_equal(read_volume(path).data, image().astype(np.float32))


def test_given_voxels_behind_a_header_extension_when_read_then_they_are_found(
    tmp_path: Path,
) -> None:
    picture = nib.Nifti1Image(image(), np.diag([2.0, 2.0, 2.0, 1.0]))
    picture.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 3_000_000))
    nib.save(picture, tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz").data, image())


def test_given_an_offset_of_zero_when_read_then_voxels_follow_the_header(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.nii", nifti(image(), vox_offset=0))
    np.testing.assert_array_equal(read_volume(path).data, image())


def test_given_a_packed_file_without_gz_in_its_name_when_read_then_it_is_unpacked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(gzip.compress(nifti(image())))
    np.testing.assert_array_equal(read_volume(path).data, image())


def test_given_a_file_of_two_gzip_members_when_read_then_both_are(tmp_path: Path) -> None:
    content = nifti(image())
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]))
    np.testing.assert_array_equal(read_volume(path).data, image())


def test_given_some_padding_at_the_end_when_read_then_it_is_tolerated(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.nii", nifti(image()) + bytes(TRAILING_BYTES))
    np.testing.assert_array_equal(read_volume(path).data, image())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_given_a_few_bad_voxels_when_read_then_they_are_0_and_counted(
    tmp_path: Path, bad: float
) -> None:
    data = image(dtype="float32") + 1
    data[3, 4, 5:8] = bad
    volume = read_volume(write(tmp_path / "scan.nii", nifti(data)))
    assert (volume.data[3, 4, 5:8] == 0).all()
    assert np.count_nonzero(volume.data == 0) == 3
    assert any(warning.startswith("3 voxels are NaN or infinite") for warning in volume.warnings)


# ---------------------------------------------------------------------------------------------------- what is warned of


def warnings_of(path: Path) -> str:
    return "\n".join(read_volume(path).warnings)


def test_given_no_codes_when_read_then_it_is_said_loudly_that_sides_are_unknown(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "scan.nii", nifti(image(), sform_code=0))
    volume = read_volume(path)
    assert "LEFT AND RIGHT ARE UNKNOWN" in "\n".join(volume.warnings)
    assert volume.geometry.axcodes == "LAS"  # what the warning says of the first axis
    assert "first axis runs from right to left" in "\n".join(volume.warnings)


def test_given_forms_that_contradict_each_other_when_read_then_it_is_said_loudly(
    tmp_path: Path,
) -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    path = tmp_path / "scan.nii"
    scan = nib.Nifti1Image(image(), affine)
    scan.set_sform(affine, 1)
    scan.set_qform(np.diag([-2.0, 2.0, 2.0, 1.0]), 1)
    nib.save(scan, path)
    assert "SFORM AND QFORM CONTRADICT EACH OTHER" in warnings_of(path)
    assert "LEFT AND RIGHT ARE IN DOUBT" in warnings_of(path)
    scan.set_qform(affine, 1)
    nib.save(scan, path)
    assert "CONTRADICT" not in warnings_of(path)


def test_given_a_shear_when_read_then_it_is_warned_of(tmp_path: Path) -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[0, 1] = 0.2
    assert "sheared" in warnings_of(write(tmp_path / "scan.nii", nifti(image(), affine=affine)))


def test_given_thick_slices_when_read_then_they_are_warned_of(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    path = write(tmp_path / "scan.nii", nifti(image(), affine=affine, pixdim=(3, 5.0)))
    assert "voxels of up to 5.0 mm" in warnings_of(path)


def test_given_a_tiny_field_of_view_when_read_then_it_is_warned_of(tmp_path: Path) -> None:
    assert "24×28×32 mm, unusual" in warnings_of(write(tmp_path / "scan.nii", nifti(image())))


def test_given_pixdim_and_affine_apart_when_read_then_the_affine_counts_and_it_is_said(
    tmp_path: Path,
) -> None:
    volume = read_volume(write(tmp_path / "scan.nii", nifti(image(), pixdim=(2, 3.0))))
    assert volume.geometry.spacing_mm == (2.0, 2.0, 2.0)
    assert any("disagree on the voxel size" in warning for warning in volume.warnings)


# ---------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.nii.gz", "a"),
        ("a.nii", "a"),
        ("sub-01_T1w.nii.gz", "sub-01_T1w"),
        ("a.b.nii.gz", "a.b"),
        ("a.nii.nii.gz", "a.nii"),
        (".nii.gz", "scan"),
    ],
)
def test_given_a_file_name_then_the_scans_name_is_what_precedes_the_suffix(
    file: str, name: str
) -> None:
    assert scan_name(Path("folder") / file) == name


# ---------------------------------------------------------------------------------------- headers that are odd, not bad


@pytest.mark.parametrize("spacing", [0.0, -2.0])
def test_given_a_spacing_of_nothing_beside_a_good_sform_then_the_sform_is_used_and_it_is_said(
    tmp_path: Path, spacing: float
) -> None:
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    scan = write(tmp_path / "s.nii", nifti(image((30, 32, 34)), affine=affine, pixdim=(1, spacing)))
    volume = read_volume(scan)
    assert volume.geometry.spacing_mm == (3, 3, 3)
    assert any("pixdim and its affine disagree" in warning for warning in volume.warnings)


@pytest.mark.parametrize("row", [0.0, np.nan])
def test_given_an_sform_of_no_place_beside_a_good_qform_then_the_qform_is_used_and_it_is_said(
    tmp_path: Path, row: float
) -> None:
    fields: dict[str, Any] = dict.fromkeys(("srow_x", "srow_y", "srow_z"), row)
    content = nifti(image((60, 62, 64)), qform_code=1, qoffset_x=-30, **fields)
    volume = read_volume(write(tmp_path / "s.nii", content))
    expected = np.diag([2.0, 2.0, 2.0, 1.0])
    expected[0, 3] = -30
    np.testing.assert_allclose(volume.geometry.affine, expected)
    assert volume.warnings == (
        "the header's sform tells of no place (its axes are 0 or no axes): the qform is used",
    )


UNITS = {"m": (1, 1000.0), "µm": (3, 0.001)}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("form", ["sform", "qform", "pixdim alone"])
def test_given_a_header_in_another_unit_then_its_millimetres_are_known(
    tmp_path: Path, unit: str, form: str
) -> None:
    code, factor = UNITS[unit]
    affine = np.diag([3 / factor, 3 / factor, 3 / factor, 1.0])
    fields: dict[str, Any] = {"xyzt_units": code, "pixdim": (slice(1, 4), 3 / factor)}
    fields |= {"sform_code": int(form == "sform"), "qform_code": int(form == "qform")}
    content = nifti(image((60, 62, 64)), affine=affine, **fields)
    volume = read_volume(write(tmp_path / "s.nii", content))
    np.testing.assert_allclose(volume.geometry.spacing_mm, (3, 3, 3), rtol=1e-6)
    assert volume.geometry.voxel_volume_mm3 == pytest.approx(27)
    assert f"its unit is the {unit}: voxels are read as 3×3×3 mm" in volume.warnings[-1]
    assert not any("disagree" in warning for warning in volume.warnings)


@pytest.mark.parametrize("unit", UNITS)
def test_given_millimetres_under_another_units_name_then_they_are_read_as_such(
    tmp_path: Path, unit: str
) -> None:
    content = nifti(image((60, 62, 64)), xyzt_units=UNITS[unit][0])
    volume = read_volume(write(tmp_path / "s.nii", content))
    assert volume.geometry.spacing_mm == (2, 2, 2)
    assert "voxels are read as 2×2×2 mm" in volume.warnings[0]
