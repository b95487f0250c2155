"""A map by scores on any grid is what a prediction on that grid would be."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from command import parcela_here
from parcela.errors import BadRequest, BadScan
from parcela.imaging.geometry import Geometry
from parcela.imaging.label_map import packed_shares
from parcela.imaging.trail import GeometryTrail, Grid
from parcela_cli.measure.scores import map_by_scores
from parcela_cli.measure.second_image import grid_of, read_image
from parcela_inference.block_scores import BlockScores
from parcela_inference.to_scan import to_scan

MODEL = Geometry.of_grid((9, 10, 11), np.diag([4.0, 3.5, 3.0, 1.0]))


@pytest.fixture
def scores(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Scores of 117 classes, few of them likely in any voxel, and the file of them."""
    random = np.random.default_rng(0).dirichlet(np.full(117, 0.02), MODEL.shape)
    steps = np.rint(random * 255).astype(np.uint8)
    path = tmp_path / "probseg.nii.gz"
    path.write_bytes(packed_shares(steps, MODEL))
    return path, steps


def an_oblique_grid() -> Geometry:
    affine = np.eye(4)
    affine[:3] = [[1.9, 0.4, 0.0, -3.0], [-0.4, 2.0, 0.3, 2.0], [0.1, -0.3, 2.2, 1.0]]
    return Geometry.of_grid((12, 13, 14), affine)


def test_given_scores_then_the_file_holds_them_in_255ths_on_their_grid(
    scores: tuple[Path, np.ndarray],
) -> None:
    image = nib.Nifti1Image.from_filename(scores[0])
    assert image.shape == (*MODEL.shape, 117)
    assert image.get_fdata() == pytest.approx(scores[1] / 255, abs=1e-6)
    np.testing.assert_array_equal(image.affine, MODEL.affine)


@pytest.mark.parametrize("shift", [None, (1.0, -2.0, 0.5)])
def test_given_another_grid_then_the_map_is_the_one_that_inference_makes(
    scores: tuple[Path, np.ndarray], shift: tuple[float, float, float] | None
) -> None:
    path, steps = scores
    target, motion = an_oblique_grid(), np.eye(4)
    if shift is not None:
        motion[:3, 3] = shift
    trail = GeometryTrail(
        scan=Grid(shape=target.shape, affine=motion @ target.affine),
        model=Grid(shape=MODEL.shape, affine=MODEL.affine),
        removed_origin_mm=(0, 0, 0),
        steps=(),
    )

    found = map_by_scores(path, target, None if shift is None else motion)

    expected = to_scan(BlockScores.of(torch.from_numpy(steps).float()), trail)
    assert np.unique(expected).size > 50
    assert (found.labels == expected).mean() > 0.999  # the sums' last bits may settle a tie


def test_given_scores_when_resampled_by_the_command_then_the_ids_are_the_maps(
    scores: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, _ = scores
    like, map_path, out = (tmp_path / f"{name}.nii.gz" for name in ("pet", "map", "out"))
    grid = an_oblique_grid()
    nib.save(nib.Nifti1Image(np.ones(grid.shape, np.float32), grid.affine), like)
    in_spm = np.full((3, 3, 3), 2001, np.int16)
    in_spm[0] = 0
    nib.save(nib.Nifti1Image(in_spm, np.eye(4)), map_path)
    words = ("resample", map_path, "--scores", path, "--like", like, "-o", out)
    assert parcela_here(*words).code == 0
    made = np.asarray(nib.Nifti1Image.from_filename(out).dataobj)
    assert made.max() > 2001
    of_like = grid_of(read_image(like))
    np.testing.assert_array_equal(made > 0, map_by_scores(path, of_like).labels > 0)


def test_given_no_scores_of_117_classes_then_they_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.nii.gz"
    path.write_bytes(packed_shares(np.zeros((2, 2, 2, 3), np.uint8), MODEL))
    with pytest.raises((BadRequest, BadScan), match="117"):
        map_by_scores(path, MODEL)
