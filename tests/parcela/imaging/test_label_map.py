"""Label maps: on the scan's own grid to the byte, the same twice, and nobody's name in them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from parcela.imaging.geometry import Geometry
from parcela.imaging.label_map import GEOMETRY_FIELDS, write_label_map, write_mask
from parcela.imaging.volume import Volume, read_volume

SHAPE = (7, 5, 6)
SECRET = b"DOE^JANE"
Header = nib.Nifti1Header

# Columns: where the array axes point in the world, times the spacing in mm.
RAS = np.diag([1.0, 1.0, 1.0])
LAS = np.diag([-0.9, 1.1, 1.3])
PSR = np.array([[0, 0, 1.2], [-0.8, 0, 0], [0, 1.1, 0]])
OBLIQUE = np.array([[0.88, -0.2, 0.9], [0.25, 0.93, -0.3], [-0.17, 0.2, 2.8]])


def header_of(
    axes: np.ndarray, kind: type[Header] = nib.Nifti1Header, endianness: str = "<"
) -> Header:
    """A scan's header: an sform, a qform that says something else, and text that names the subject."""
    header = kind(endianness=endianness)
    header.set_data_shape(SHAPE)
    header.set_data_dtype(np.int16)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, (-31.7, 12.345678, 1 / 3)
    header.set_sform(affine, code=2)
    shifted = affine.copy()
    shifted[:3, 3] += 30
    header.set_qform(shifted, code=1)
    header.set_xyzt_units("mm", "sec")
    for field in ("descrip", "aux_file", "intent_name"):
        header[field] = SECRET
    if kind is nib.Nifti1Header:
        header["db_name"] = SECRET
    header["cal_max"] = 4000
    return header


def with_fields(header: Header, **fields: object) -> Header:
    for field, value in fields.items():
        header[field] = value
    return header


def nifti2_4d() -> Header:
    return with_fields(header_of(PSR, nib.Nifti2Header), dim=[4, *SHAPE, 1, 1, 1, 1])


PHANTOMS: dict[str, Callable[[], Header]] = {
    "RAS": lambda: header_of(RAS),
    "LAS": lambda: header_of(LAS),
    "PSR": lambda: header_of(PSR),
    "oblique": lambda: header_of(OBLIQUE),
    "qform only": lambda: with_fields(header_of(OBLIQUE), sform_code=0),
    "no codes": lambda: with_fields(header_of(LAS), sform_code=0, qform_code=0),
    "one volume in four dimensions": lambda: with_fields(
        header_of(LAS), dim=[4, *SHAPE, 1, 1, 1, 1]
    ),
    "unused axes zero": lambda: with_fields(header_of(LAS), dim=[3, *SHAPE, 0, 0, 0, 0]),
    "NIfTI-2": lambda: header_of(OBLIQUE, nib.Nifti2Header),
    "NIfTI-2, four dimensions": nifti2_4d,
    "big-endian": lambda: header_of(PSR, endianness=">"),
    "bits that no rotation gives": lambda: with_fields(
        header_of(RAS),
        quatern_b=0.123456789,
        quatern_c=-0.0,
        qoffset_x=1e-30,
        pixdim=[-1, 1.0000001, 0.99999994, 1, 2.3, 0, 0, 7],
    ),
}


@pytest.fixture(params=PHANTOMS)
def scan(request: pytest.FixtureRequest, tmp_path: Path) -> Volume:
    """A scan on disk, with a header extension that names the subject, as the product reads it."""
    return read_volume(scan_file(tmp_path / "sub-01_T1w.nii.gz", PHANTOMS[request.param]()))


def scan_file(path: Path, header: Header) -> Path:
    header["vox_offset"] = header.single_vox_offset + 32
    extension = (
        bytes([1, 0, 0, 0])
        + np.array([32, 6], header.endianness + "i4").tobytes()
        + SECRET.ljust(24)
    )
    voxels = np.arange(np.prod(SHAPE), dtype=header.get_data_dtype())
    path.write_bytes(gzip.compress(header.binaryblock + extension + voxels.tobytes()))
    return path


def some_labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 117, SHAPE).astype(np.uint8)


def loaded(path: Path) -> Any:
    return nib.load(path)


def unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def test_given_any_scan_when_its_map_is_written_then_the_geometry_is_equal_to_the_byte(
    scan: Volume, tmp_path: Path
) -> None:
    labels = some_labels()
    write_label_map(tmp_path / "dseg.nii.gz", labels, scan.geometry)

    received, written = unpacked(tmp_path / "sub-01_T1w.nii.gz"), unpacked(tmp_path / "dseg.nii.gz")
    layout = scan.geometry.header.template_dtype.fields
    assert layout is not None
    for field in GEOMETRY_FIELDS:
        kind, offset = layout[field][:2]
        at = slice(offset, offset + kind.itemsize)
        assert written[at] == received[at], field

    image = loaded(tmp_path / "dseg.nii.gz")
    assert type(image.header) is type(scan.geometry.header)
    assert image.header.endianness == scan.geometry.header.endianness
    assert image.get_data_dtype() == np.uint8
    assert int(image.header["intent_code"]) == 1002
    np.testing.assert_array_equal(image.affine, scan.geometry.affine)
    np.testing.assert_array_equal(np.asarray(image.dataobj).reshape(SHAPE), labels)


def test_given_a_name_in_the_header_when_a_map_is_written_then_it_is_gone(
    scan: Volume, tmp_path: Path
) -> None:
    write_label_map(tmp_path / "dseg.nii.gz", some_labels(), scan.geometry)

    assert SECRET in unpacked(tmp_path / "sub-01_T1w.nii.gz")
    assert SECRET not in unpacked(tmp_path / "dseg.nii.gz")
    header = loaded(tmp_path / "dseg.nii.gz").header
    assert list(header.extensions) == []
    assert float(header["cal_max"]) == 0


def test_given_a_mask_when_written_then_it_has_no_intent_and_holds_0_and_1(tmp_path: Path) -> None:
    geometry = Geometry.from_header(header_of(LAS))
    mask = some_labels() > 50
    write_mask(tmp_path / "mask.nii.gz", mask, geometry)

    image = loaded(tmp_path / "mask.nii.gz")
    assert (int(image.header["intent_code"]), image.get_data_dtype()) == (0, np.uint8)
    np.testing.assert_array_equal(np.asarray(image.dataobj), mask)


def test_given_an_array_in_either_memory_order_when_written_then_the_bytes_are_equal(
    tmp_path: Path,
) -> None:
    geometry, labels = Geometry.from_header(header_of(LAS)), some_labels()
    write_label_map(tmp_path / "a.nii.gz", labels, geometry)
    write_label_map(tmp_path / "another-name.nii.gz", np.asfortranarray(labels), geometry)
    write_label_map(tmp_path / "plain.nii", labels.astype(np.int64), geometry)

    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "another-name.nii.gz").read_bytes()
    assert unpacked(tmp_path / "a.nii.gz") == (tmp_path / "plain.nii").read_bytes()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((5, 7, 6), np.uint8), np.full(SHAPE, 117), np.full(SHAPE, -1), np.zeros(SHAPE)],
    ids=["shape", "id 117", "negative", "not integers"],
)
def test_given_an_impossible_map_when_written_then_it_is_refused_and_nothing_is_left(
    tmp_path: Path, wrong: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"map"):
        write_label_map(tmp_path / "dseg.nii.gz", wrong, Geometry.from_header(header_of(LAS)))
    assert list(tmp_path.iterdir()) == []
