"""The mapping as ITK's fields: ANTs reads them, and they lead where the mapping leads."""

from __future__ import annotations

from pathlib import Path

import ants
import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from parcela.atlas.aal import AAL_LABELS
from parcela.imaging.trail import GeometryTrail, Grid
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import Mapping, centres
from parcela_inference.registration.transforms import transform_files
from parcela_training.metrics.measures import dice

SHAPE = (64, 72, 60)


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    draw = torch.Generator().manual_seed(0)
    bumps = torch.nn.functional.interpolate(
        torch.randn(1, 3, 4, 5, 4, generator=draw), (24, 32, 28), mode="trilinear"
    )
    return Mapping(0.05 * torch.randn(3, 4, generator=draw), 0.05 * bumps[0])


@pytest.fixture(scope="module")
def trail() -> GeometryTrail:
    """A head that looks elsewhere: turned, shifted, and its voxels not of Colin27's size."""
    turn = np.deg2rad(12)
    affine = np.diag([2.3, 2.5, 2.5, 1.0])
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]] @ affine[:2, :2]
    affine[:3, 3] = -70, 40, 15
    grid = Grid(shape=SHAPE, affine=affine)
    return GeometryTrail(scan=grid, model=grid, removed_origin_mm=(0, 0, 0), steps=())


@pytest.fixture(scope="module")
def files(mapping: Mapping, trail: GeometryTrail, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transforms")
    for name, content in transform_files(mapping, trail).items():
        (folder / name).write_bytes(content)
    labels = atlas_box().labels_at(mapping(centres(SHAPE))).numpy()
    nib.save(nib.Nifti1Image(labels, trail.scan.affine), folder / "scan.nii.gz")
    return folder


def carried(files: Path, fixed: str | Path, moving: str | Path, name: str) -> NDArray[np.uint8]:
    image = ants.apply_transforms(
        ants.image_read(str(fixed)),
        ants.image_read(str(moving)),
        [str(files / name)],
        interpolator="nearestNeighbor",
    )
    return np.asarray(image.numpy(), np.uint8)


def test_given_the_fields_when_ants_applies_them_then_labels_go_where_the_mapping_says(
    files: Path,
) -> None:
    scan = files / "scan.nii.gz"
    to_scan, to_atlas = (
        "from-Colin27_to-T1w_mode-image_xfm.nii.gz",
        "from-T1w_to-Colin27_mode-image_xfm.nii.gz",
    )

    on_scan = carried(files, scan, AAL_LABELS, to_scan)
    on_atlas = carried(files, AAL_LABELS, scan, to_atlas)

    labels = np.asarray(nib.load(scan).dataobj)  # type: ignore[attr-defined]
    atlas = np.asarray(nib.load(AAL_LABELS).dataobj)  # type: ignore[attr-defined]
    assert np.nanmean(dice(on_scan, labels)) > 0.9  # the atlas's own labels, and opened ones
    assert np.nanmean(dice(on_atlas, atlas)) > 0.8  # through voxels of 2.5 mm


def test_given_the_fields_then_they_are_small_and_made_the_same_twice(
    mapping: Mapping, trail: GeometryTrail
) -> None:
    first, second = transform_files(mapping, trail), transform_files(mapping, trail)
    assert first == second
    assert sum(map(len, first.values())) < 6e6
