"""Where a brain lies in a template's space: a brain that was moved and scaled is found again."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from in_process import run_here
from parcela.atlas.colin27 import colin27, colin27_head
from parcela.errors import BadRequest
from parcela.imaging.preprocessed import Preprocessed, PreprocessingRecord
from parcela.imaging.standard_space import MNI305_MM3, etiv_mm3
from parcela.imaging.trail import GeometryTrail
from parcela_preprocess.atlas_affine import colin27_space, read_template

STEP = 3  # every third voxel of 1 mm


def test_given_colin27_itself_smaller_and_moved_then_the_way_back_and_its_size_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parcela_preprocess.atlas_affine.run_isolated", run_here)
    atlas = colin27()
    image = np.ascontiguousarray(atlas.brain[::STEP, ::STEP, ::STEP]) / atlas.brain.max()
    moved = np.diag([0.55, 0.5, 0.52, 1.0])
    moved[:3, 3] = (12.0, -20.0, 15.0)
    affine = moved @ atlas.affine @ np.diag([STEP, STEP, STEP, 1.0])
    x, y, z = image.shape
    trail = GeometryTrail.unmoved((x, y, z), affine)
    mask = np.zeros((1, 1, 1), np.uint8)

    space = colin27_space(Preprocessed(image, mask, trail, PreprocessingRecord(seconds={})))

    middle = np.argwhere(image > 0).mean(0)
    place = affine @ [*middle, 1]
    assert np.linalg.norm((space.to_template @ place - np.linalg.inv(moved) @ place)[:3]) < 1.5
    assert etiv_mm3(space.to_template) == pytest.approx(MNI305_MM3 * 0.55 * 0.5 * 0.52, rel=0.02)


@pytest.mark.parametrize(
    ("file", "name"),
    [("tpl-MNI152NLin6Asym_res-02_T1w.nii.gz", "MNI152NLin6Asym"), ("my brain_1.nii", "mybrain1")],
)
def test_given_a_template_then_it_is_named_after_its_file(
    tmp_path: Path, file: str, name: str
) -> None:
    _write(tmp_path / file, colin27().brain)
    assert read_template(tmp_path / file).name == name


def test_given_a_whole_head_as_a_template_then_it_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "head.nii.gz", colin27_head())
    with pytest.raises(BadRequest, match="skull-stripped"):
        read_template(tmp_path / "head.nii.gz")


def _write(path: Path, image: np.ndarray) -> None:
    affine = colin27().affine @ np.diag([STEP, STEP, STEP, 1.0])
    nib.save(nib.Nifti1Image(image[::STEP, ::STEP, ::STEP].astype(np.uint8), affine), path)
