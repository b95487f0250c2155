from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from parcela.atlas.aal import atlas_labels
from parcela.errors import BadScan
from parcela.imaging.volume import Volume, read_volume
from parcela_training.cohorts.virtual.mould import mould
from parcela_training.preparation.imported import (
    OnOneGrid,
    check_labels,
    matched,
    read_labels,
    read_mask,
)

SHAPE = (20, 24, 22)


def scaled(spacing: float, origin: tuple[float, float, float]) -> NDArray[np.float64]:
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = origin
    return affine


def blob(affine: NDArray[np.float64], shape: tuple[int, int, int] = SHAPE) -> NDArray[np.float32]:
    """A smooth ball about the world point (0, 0, 0), on any grid."""
    world = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    ball: NDArray[np.float32] = np.exp(-(world**2).sum(-1) / 200).astype(np.float32)
    return ball


def written(path: Path, data: NDArray[np.generic], affine: NDArray[np.float64]) -> Path:
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def test_given_labels_shifted_by_a_voxel_when_matched_then_the_image_comes_onto_their_grid() -> (
    None
):
    own, theirs = scaled(2, (-20, -24, -22)), scaled(2, (-22, -24, -22))
    labels = (blob(theirs) > 0.5).astype(np.uint8)

    found = matched(blob(own), own, labels, theirs)

    assert found.labels is labels
    assert found.affine is theirs
    inside = np.s_[2:-2, 2:-2, 2:-2]
    np.testing.assert_allclose(found.image[inside], blob(theirs)[inside], atol=1e-5)


def test_given_labels_on_the_same_grid_when_matched_then_the_image_is_not_touched() -> None:
    affine = scaled(2, (-20, -24, -22))
    image = blob(affine)

    found = matched(image, affine, (image > 0.5).astype(np.uint8), affine + 1e-5)

    assert found.image.tobytes() == image.tobytes()


def test_given_labels_on_a_flipped_finer_grid_when_matched_then_they_are_read_at_the_image() -> (
    None
):
    own, theirs = scaled(2, (-20, -24, -22)), scaled(1, (-22, -26, -24))
    theirs[0, 0], theirs[0, 3] = -1, 22  # axes LAS
    labels = (blob(theirs, (45, 53, 49)) > 0.5).astype(np.uint8)

    found = matched(blob(own), own, labels, theirs)

    assert found.labels.dtype == np.uint8
    assert (found.labels == (blob(own) > 0.5)).mean() > 0.999
    np.testing.assert_array_equal(found.affine, own)


def test_given_aal_on_its_own_brain_when_checked_then_all_is_well() -> None:
    colin = mould()
    assert check_labels(OnOneGrid(colin.head * colin.mask, colin.labels, colin.affine))[0] == "ok"


def test_given_labels_of_elsewhere_when_checked_then_they_have_failed() -> None:
    labels, affine = atlas_labels()
    colin = mould()
    moved = np.roll(labels, 60, axis=1)

    verdict, reasons = check_labels(OnOneGrid(colin.head * colin.mask, moved, affine))

    assert verdict == "failed"
    assert "labels lie outside the scan's brain" in reasons[0]


@pytest.fixture
def scan(tmp_path: Path) -> Volume:
    affine = scaled(2, (-20, -24, -22))
    return read_volume(written(tmp_path / "scan.nii.gz", blob(affine), affine))


def test_given_a_mask_on_the_scans_grid_when_read_then_it_is_zero_and_one(
    scan: Volume, tmp_path: Path
) -> None:
    data = (scan.data > 0.5) * np.uint8(255)
    mask = read_mask(written(tmp_path / "mask.nii.gz", data, scan.geometry.affine), scan)
    np.testing.assert_array_equal(mask, scan.data > 0.5)


@pytest.mark.parametrize("shape", [(20, 24, 22), (22, 24, 20)])
def test_given_a_mask_on_another_grid_when_read_then_it_is_refused(
    scan: Volume, tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    data = np.arange(np.prod(shape)).reshape(shape) % 2
    mask = written(tmp_path / "mask.nii.gz", data.astype(np.uint8), scaled(2, (-20, -24, -20)))
    with pytest.raises(BadScan, match="not on its scan's grid"):
        read_mask(mask, scan)


@pytest.mark.parametrize("worst", [117.0, -1.0, 0.5])
def test_given_a_map_of_something_else_when_read_then_it_is_refused(
    tmp_path: Path, worst: float
) -> None:
    data = np.zeros(SHAPE, np.float32)
    data[3, 3, 3] = worst
    with pytest.raises(BadScan, match="not a label map of AAL's"):
        read_labels(written(tmp_path / "dseg.nii.gz", data, np.eye(4)))
