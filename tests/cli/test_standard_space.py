"""`parcela predict --template`: the map in the space of a template that the user has."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from nilearn.datasets import load_mni152_template

from command import parcela_here
from in_process import run_here
from labelling.coarse import atlas
from parcela.bundle.manifest import Manifest
from parcela.imaging.standard_space import affine_name
from parcela.imaging.volume import read_volume
from parcela_inference.block_scores import BlockScores
from parcela_labelling.transforms import AFFINE, Transforms
from parcela_preprocess.atlas_affine import read_template
from parcela_preprocess.preprocess import preprocess

SHIFT_MM = (20.0, -10.0, 5.0)


def by_place(image: np.ndarray, *_: object) -> BlockScores:
    """Stands in for a network: slabs from left to right inside the brain."""
    ids = 1 + np.arange(image.shape[0])[:, None, None] * (image > 0)
    ids[image == 0] = 0
    return BlockScores.of(torch.nn.functional.one_hot(torch.from_numpy(ids).long(), 117).float())


@pytest.fixture
def template(brain: Path, tmp_path: Path) -> Path:
    """The scan's own brain as a template: stored from right to left, and 20 mm to the side of where it was."""
    image = nib.Nifti1Image.from_filename(brain)
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[0, 3] = image.shape[0] - 1
    affine = image.affine @ flipped
    affine[:3, 3] += SHIFT_MM
    path = tmp_path / "tpl-Moved_T1w.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], affine), path)
    return path


def test_given_the_mni152_that_nilearn_carries_then_it_is_a_template_under_its_own_name(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tpl-MNI152NLin2009aSym_res-4_desc-brain_T1w.nii.gz"
    load_mni152_template(resolution=4).to_filename(path)
    template = read_template(path)
    assert template.name == "MNI152NLin2009aSym"
    assert template.geometry.axcodes == "RAS"


@pytest.mark.slow
def test_given_a_template_then_the_map_lies_on_its_grid_and_the_affine_leads_there(
    brain: Path, weights: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coarse = partial(preprocess, shape=(46, 61, 62))
    monkeypatch.setattr("parcela_preprocess.preprocess.preprocess", coarse)
    monkeypatch.setattr("parcela_preprocess.atlas_affine.run_isolated", run_here)
    monkeypatch.setattr("parcela_preprocess.atlas_affine.colin27", atlas)
    monkeypatch.setattr("parcela_inference.parcellate.class_scores", by_place)
    out, environment = tmp_path / "out", {"PARCELA_WEIGHTS": str(weights)}
    words = ("predict", brain, "-o", out, "--no-preprocess", "--template", template)

    assert parcela_here(*words, env=environment).code == 0

    made = read_volume(out / "colin_space-Moved_dseg.nii.gz")
    assert made.geometry.shape == read_volume(template).geometry.shape
    assert made.geometry.axcodes == "LAS"
    on_scan = read_volume(out / "colin_dseg.nii.gz").data
    agreement = (made.data[::-1] == on_scan)[on_scan > 0].mean()
    assert agreement > 0.85  # slabs of 3 mm: one millimetre off would be 0.67
    affine = Transforms({AFFINE: (out / f"colin_{affine_name('Moved')}").read_bytes()}).affine
    assert (affine @ [0, 0, 0, 1])[:3] == pytest.approx(SHIFT_MM, abs=1.0)
    manifest = Manifest.from_json((out / "colin_manifest.json").read_bytes())
    assert manifest.parameters["template"] == read_volume(template).sha256
    assert "etiv_affine_mm3" in manifest.volumes
    assert "already done" in parcela_here(*words, env=environment).out
