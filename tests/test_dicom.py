"""Colin27's brain as a DICOM series and as NIfTI: the U-Net makes the same map of both, and a segmentation of it.

`COHORT=/path/to/bids` adds one of its scans, whole, with deepbet. A minute or two.
"""

from __future__ import annotations

import os
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from command import parcela
from dicom_series import series, write_folder, write_zip
from parcela.atlas.aal import COLIN27_BRAIN
from parcela.dicom.conversion import read_scan
from parcela.imaging.volume import Volume, read_volume

pytestmark = pytest.mark.slow
SYNTAXES = {"plain": ExplicitVRLittleEndian, "rle": RLELossless, "jpegls": JPEGLSLossless}
OBLIQUE_DEGREES = 10.0


def source() -> tuple[Volume, tuple[str, ...]]:
    """The volume that is made a series of, and the options for it."""
    if "COHORT" not in os.environ:
        return read_volume(COLIN27_BRAIN), ("--no-preprocess",)
    scan = min(Path(os.environ["COHORT"]).glob("sub-*/anat/*_T1w.nii.gz"))
    return read_volume(scan), ("--skull-strip", "deepbet")


def sagittal(volume: Volume) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """A volume as a scanner acquires it: sagittal slices of 16-bit integers, tilted by some degrees."""
    turned = nib.as_closest_canonical(nib.Nifti1Image(volume.data, volume.geometry.affine))
    data = np.asarray(turned.dataobj).transpose(1, 2, 0)[
        ::-1, ::-1
    ]  # a row runs back, a column down
    order = np.eye(4)[:, [1, 2, 0, 3]]
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    flip[:2, 3] = np.array(data.shape[:2]) - 1
    angle = np.deg2rad(OBLIQUE_DEGREES)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    scale = 4000 / data.max()
    affine = tilt @ turned.affine @ order @ flip
    return np.rint(np.maximum(data, 0) * scale).astype(np.uint16), affine


def canonical(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    turned = nib.as_closest_canonical(nib.Nifti1Image.from_filename(path))
    return np.asarray(turned.dataobj), turned.affine


def test_given_a_series_in_three_syntaxes_and_nifti_when_predicted_then_the_maps_are_the_same(
    tmp_path: Path,
) -> None:
    volume, options = source()
    data, affine = sagittal(volume)
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "nifti.nii.gz")
    scans = {name: tmp_path / name for name in SYNTAXES}
    for name, syntax in SYNTAXES.items():
        write_folder(series(data, affine, syntax), scans[name])
    read = {name: read_scan(path) for name, path in scans.items()}
    for other in read.values():
        np.testing.assert_array_equal(other.data, read["plain"].data)
        np.testing.assert_array_equal(other.geometry.affine, read["plain"].geometry.affine)
    zipped = write_zip(series(data, affine, RLELossless), tmp_path / "dicom.zip")
    out = tmp_path / "out"
    done = parcela("predict", tmp_path / "nifti.nii.gz", "-o", out, *options, timeout_s=600)
    assert done.code == 0, done.err
    done = parcela("predict", zipped, "-o", out, *options, "--dicom-seg", timeout_s=900)
    assert done.code == 0, done.err
    print(done.out, done.err)

    wanted, place = canonical(out / "nifti_dseg.nii.gz")
    found, there = canonical(out / "dicom_dseg.nii.gz")
    np.testing.assert_allclose(there, place, atol=1e-3)
    same = (found == wanted)[(found > 0) | (wanted > 0)].mean()
    print(f"{same:.6f} of {np.count_nonzero(wanted)} labelled voxels are the same")
    assert same > 0.9999
    opened = hd.seg.segread(out / "dicom_dseg.dcm")
    assert opened.number_of_segments == 116
    labels = opened.get_volume(combine_segments=True)
    x = (
        labels.affine
        @ np.vstack([np.argwhere(labels.array == 2).T, np.ones((labels.array == 2).sum())])
    )[0]
    assert x.mean() < 0  # Precentral_R: in DICOM's LPS+ the right is negative
    assert np.count_nonzero(labels.array) == np.count_nonzero(found)
