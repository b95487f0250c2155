"""A label map read from a file, and carried to another grid as nibabel carries it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_from_to

from nifti_files import nifti, write
from parcela.atlas.crosswalk import converted
from parcela.errors import BadRequest, BadScan
from parcela.imaging.geometry import Geometry
from parcela_cli.measure.label_maps import LabelMap, read_label_map

OBLIQUE = np.array(
    [[1.7, -0.31, 0.4, -11.3], [0.3, 1.63, -0.5, -8.1], [-0.2, 0.37, 2.9, -9.7], [0, 0, 0, 1]]
)


def random_map(shape: tuple[int, int, int] = (14, 12, 13)) -> LabelMap:
    labels = np.random.default_rng(1).integers(0, 117, shape).astype(np.uint16)
    return LabelMap(labels, Geometry.of_grid(shape, np.diag([2.0, 2.0, 2.0, 1.0])))


def test_given_an_oblique_grid_then_the_map_is_as_nibabel_resamples_it() -> None:
    label_map = random_map()
    target = Geometry.of_grid((11, 13, 9), OBLIQUE)
    image = nib.Nifti1Image(label_map.labels.astype(np.int16), label_map.geometry.affine)

    expected = resample_from_to(image, (target.shape, target.affine), order=0)

    carried = label_map.on_grid(target)
    assert np.count_nonzero(carried.labels) > 100
    assert np.array_equal(carried.labels, np.asarray(expected.dataobj))


def test_given_a_motion_then_the_map_moves_with_it() -> None:
    label_map = random_map()
    motion = np.eye(4)
    motion[:3, 3] = 2.0, 0.0, -4.0  # a voxel along x, two back along z
    carried = label_map.on_grid(label_map.geometry, motion)
    assert np.array_equal(carried.labels[:-1, :, 2:], label_map.labels[1:, :, :-2])
    assert not carried.labels[-1].any()


def test_given_spms_codes_in_a_file_then_they_are_recognised_and_read(tmp_path: Path) -> None:
    labels = random_map().labels
    path = write(tmp_path / "spm.nii.gz", nifti(converted(labels, "parcela", "spm").astype("<i2")))
    read = read_label_map(path)
    assert read.scheme == "spm"
    assert np.array_equal(read.in_scheme("parcela").labels, labels)


def test_given_what_is_no_label_map_then_it_is_refused_in_plain_words(tmp_path: Path) -> None:
    image = write(tmp_path / "t1.nii", nifti(np.linspace(0, 9, 60, dtype="<f4").reshape(3, 4, 5)))
    with pytest.raises(BadScan, match="no ids: give a label map"):
        read_label_map(image)
    aal2 = write(tmp_path / "aal2.nii", nifti(np.arange(242, dtype="<i2").reshape(11, 11, 2) % 121))
    with pytest.raises(BadRequest, match="another atlas"):
        read_label_map(aal2)
