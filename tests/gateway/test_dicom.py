"""A DICOM series sent as a zip is kept as NIfTI without a name; what is no series is refused, and nothing is kept."""

from __future__ import annotations

import gzip
import tempfile
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dicom_series import NAME, PATIENT, oblique, series, write_folder, write_zip
from gateway_server import Gateway
from parcela.dicom.conversion import read_scan
from parcela.jobs.job_files import read_request
from parcela.jobs.keys import scan_key
from parcela_cli.client.client import Client

DATA = np.random.default_rng(0).integers(0, 4000, (16, 16, 16)).astype(np.uint16)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_given_a_folder_when_a_client_sends_it_then_the_scan_is_kept_as_nifti_without_a_name(
    gateway: Gateway, tmp_path: Path, temporary: Path
) -> None:
    folder = write_folder(series(DATA, oblique()), tmp_path / "series")
    with Client(gateway.url) as client:
        job = client.submit(folder)
    request = read_request(gateway.store, job.id)
    with gateway.store.open(scan_key(job.id, request.upload)) as file:
        kept = nib.Nifti1Image.from_bytes(gzip.decompress(file.read()))
    volume = read_scan(folder)
    np.testing.assert_array_equal(np.asarray(kept.dataobj), volume.data)
    np.testing.assert_array_equal(kept.affine, volume.geometry.affine)
    assert request.sha256 == volume.sha256
    assert request.software == volume.software == {"dcm2niix": version("dcm2niix")}
    for key in gateway.stored():
        with gateway.store.open(key) as file:
            content = file.read()
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        assert not any(word.encode() in content for word in ("Doe", PATIENT, "2026-01", "19700102"))
    assert list(temporary.iterdir()) == []


def test_given_a_zip_that_is_no_series_when_sent_then_it_is_refused_and_nothing_is_kept(
    gateway: Gateway, tmp_path: Path, temporary: Path
) -> None:
    whole = series(DATA, oblique())
    two = write_zip([*whole[:8], *series(DATA, oblique())[:8]], tmp_path / "two.zip").read_bytes()
    for scan, reason in (
        (two, "the scan: holds 2 series (8 MR images of number 5, 8 MR images of number 5): give"),
        (two[:-60], "the scan: the zip is damaged"),
        (b"PK\x05\x06" + bytes(18), "the scan: holds no DICOM image: give"),
    ):
        response = gateway.submit(scan)
        assert response.status_code == 422, response.text
        assert response.json()["detail"].startswith(reason)
        assert NAME not in response.text
    assert gateway.stored() == []
    assert list(temporary.iterdir()) == []
