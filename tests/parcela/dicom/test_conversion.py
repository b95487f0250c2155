"""A series, whatever its pixels are packed by, is read as the NIfTI that it was made of, and nothing of it stays."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from dicom_series import NAME, PATIENT, file_bytes, oblique, series, write_folder, write_zip
from parcela.dicom import conversion
from parcela.dicom.conversion import converted, read_scan
from parcela.errors import BadScan, LimitExceeded, Unavailable
from parcela.imaging.volume import Volume
from parcela.settings import Settings, settings

SAGITTAL = np.array([[0, 0, 2.0, -15], [-2.0, 0, 0, 15], [0, -2.0, 0, 20], [0, 0, 0, 1]])
DATA = np.random.default_rng(0).integers(0, 4000, (16, 16, 16)).astype(np.uint16)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files; whatever comes, nothing may stay in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def canonical(
    data: NDArray[np.generic], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The voxels along the world's axes, and where they lie."""
    turned = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(data, np.float32), affine))
    return np.asarray(turned.dataobj), turned.affine


def assert_same_place(volume: Volume, affine: NDArray[np.float64]) -> None:
    found, place = canonical(volume.data, volume.geometry.affine)
    wanted, there = canonical(DATA, affine)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(place, there, atol=1e-5)
    assert volume.geometry.sides_known


@pytest.mark.parametrize(
    ("syntax", "affine"),
    [
        (ExplicitVRLittleEndian, oblique(20, (1.5, 2.0, 2.5))),
        (RLELossless, SAGITTAL),
        (JPEGLSLossless, oblique(-35)),
    ],
)
def test_given_a_series_when_read_then_it_is_the_volume_that_it_was_made_of(
    tmp_path: Path, temporary: Path, syntax: str, affine: NDArray[np.float64]
) -> None:
    folder = write_folder(series(DATA, affine, syntax), tmp_path / "T1 series")
    volume = read_scan(folder)
    assert_same_place(volume, affine)
    assert volume.name == "T1 series"
    assert len(volume.sha256) == 64


def test_given_a_zip_full_of_names_when_converted_then_the_nifti_holds_none(
    tmp_path: Path, temporary: Path
) -> None:
    path = write_zip(series(DATA, SAGITTAL), tmp_path / "series.zip")
    with path.open("rb") as archive, converted(archive, path) as nifti:
        content = nifti.read()
    header = nib.Nifti1Header.from_fileobj(BytesIO(content))
    for field in ("descrip", "aux_file", "intent_name", "db_name", "data_type"):
        assert bytes(header[field]).strip(b"\0") == b"", field
    assert len(content) == 352 + DATA.nbytes
    assert not any(word.encode() in content for word in ("Doe", "Jane", PATIENT, "2026"))


def test_given_a_series_that_is_refused_then_the_message_names_the_path_and_nobody(
    tmp_path: Path, temporary: Path
) -> None:
    folder = write_folder(series(DATA, SAGITTAL)[:2], tmp_path / "series")
    with pytest.raises(BadScan, match=f"^{folder}: holds 2 images: give all images") as refused:
        read_scan(folder)
    assert NAME not in str(refused.value)


def test_given_pixels_that_dcm2niix_cannot_read_then_the_series_is_refused_and_nothing_stays(
    tmp_path: Path, temporary: Path
) -> None:
    images = series(DATA, SAGITTAL, JPEGLSLossless)
    for image in images:
        image.PixelData = image.PixelData[:40] + bytes(len(image.PixelData) - 40)
    with pytest.raises(
        BadScan, match=r"dcm2niix cannot convert the series.*copy or export it again"
    ):
        read_scan(write_folder(images, tmp_path / "series"))


def test_given_a_bomb_in_a_series_then_the_child_refuses_it(
    tmp_path: Path, temporary: Path
) -> None:
    path = write_zip(series(DATA, SAGITTAL), tmp_path / "series.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", bytes(128) + b"DICM" + bytes(60 * 1024**2))
    with pytest.raises(BadScan, match=f"^{path}: the zip unpacks to .* zip bomb"):
        read_scan(path)


def test_given_a_limit_of_time_when_it_is_over_then_the_conversion_is_stopped(
    tmp_path: Path, temporary: Path
) -> None:
    path = write_zip(series(DATA, SAGITTAL), tmp_path / "series.zip")
    values = Settings(dicom_timeout_s=0.01)
    with (
        path.open("rb") as archive,
        pytest.raises(LimitExceeded, match="PARCELA_DICOM_TIMEOUT_S"),
        converted(archive, path, values),
    ):
        pass


def test_given_more_voxels_than_allowed_then_the_series_is_refused(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(series(DATA, SAGITTAL), tmp_path / "series.zip")
    values = settings().model_copy(update={"max_voxels": 1000})
    with (
        path.open("rb") as archive,
        pytest.raises(BadScan, match=f"^{path}: 16×16×16 is 4096 voxels, over the limit of 1000"),
        converted(archive, path, values),
    ):
        pass


def test_given_an_installation_without_the_extra_then_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "find_spec", lambda _: None)
    path = tmp_path / "series.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.dcm", file_bytes(series(DATA, SAGITTAL)[0]))
    with pytest.raises(Unavailable, match=r"pip install 'parcela\[dicom\]'"):
        read_scan(path)
