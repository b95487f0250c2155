"""FreeSurfer's volumes: read as nibabel reads them, the map on their grid, what is damaged refused with a reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from nifti_files import image
from parcela.errors import BadScan
from parcela.imaging.label_map import write_label_map
from parcela.imaging.volume import read_volume

TURN = np.deg2rad(20)
OBLIQUE = np.array(
    [
        [0.0, 0.0, 1.5, -20.0],
        [-2.0 * np.cos(TURN), 1.0 * np.sin(TURN), 0.0, 30.0],
        [2.0 * np.sin(TURN), 1.0 * np.cos(TURN), 0.0, -10.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def mgh(path: Path, dtype: str = "int16", affine: NDArray[np.float64] = OBLIQUE) -> Path:
    nib.save(nib.MGHImage(image(dtype=dtype), affine), path)
    return path


def damaged(path: Path, place: int, value: bytes) -> Path:
    content = bytearray(mgh(path).read_bytes())
    content[place : place + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["scan.mgz", "scan.mgh"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_given_freesurfers_file_when_read_then_intensities_and_grid_are_those_that_nibabel_wrote(
    tmp_path: Path, name: str, dtype: str
) -> None:
    path = mgh(tmp_path / name, dtype)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, image(dtype=dtype))
    np.testing.assert_allclose(volume.geometry.affine, OBLIQUE, atol=1e-5)
    assert volume.geometry.axcodes == "PSR"
    assert volume.name == "scan"
    assert not any("sform" in warning or "sheared" in warning for warning in volume.warnings)


def test_given_freesurfers_file_when_its_map_is_written_then_it_is_nifti_on_the_same_grid(
    tmp_path: Path,
) -> None:
    path = mgh(tmp_path / "scan.mgz")
    volume = read_volume(path)
    labels = (np.arange(volume.data.size) % 117).reshape(volume.data.shape)
    write_label_map(tmp_path / "map.nii.gz", labels, volume.geometry)
    written = nib.Nifti1Image.from_filename(tmp_path / "map.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), labels)
    for affine in (written.affine, written.get_qform()):
        np.testing.assert_allclose(affine, OBLIQUE, atol=1e-4)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (28, b"\0\0", "tells of no orientation"),
        (4, b"\0\0\0\0", "the header is damaged"),
        (4, b"\x7f\xff\xff\xff", "the header is damaged"),
        (16, b"\0\0\0\2", "more than one volume"),
        (20, b"\0\0\0\7", "type that FreeSurfer does not know"),
        (30, bytes(12), "wrong units|positive|singular"),
        (42, b"\x7f\xc0\0\0" * 9, "not finite"),
        (8, b"\0\0\x7f\x00", "truncated|over the limit"),
    ],
)
def test_given_a_damaged_header_when_read_then_the_file_is_refused_with_the_reason(
    tmp_path: Path, place: int, value: bytes, reason: str
) -> None:
    with pytest.raises(BadScan, match=reason):
        read_volume(damaged(tmp_path / "scan.mgh", place, value))


@pytest.mark.parametrize("length", [4, 283, 290])
def test_given_a_file_cut_short_when_read_then_it_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "scan.mgz"
    path.write_bytes(gzip.compress(mgh(tmp_path / "whole.mgh").read_bytes()[:length]))
    with pytest.raises(BadScan, match=r"cut short|truncated"):
        read_volume(path)
