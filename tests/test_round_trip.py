"""There and back: labels go through MONAI's own geometric transforms, and return by the trail's one inversion.

The way there is MONAI's resampling of each region's indicator, not the trail: a half-voxel error in either shows as a
shift.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    CropForegroundd,
    HistogramNormalized,
    Orientationd,
    ResampleToMatchd,
    Resized,
    Spacingd,
)
from numpy.typing import NDArray

from parcela.atlas.aal import regions
from parcela.imaging.geometry import Affine, Shape
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.imaging.volume import Volume, read_volume
from parcela_inference.block_scores import BlockScores
from parcela_inference.to_scan import to_scan
from parcela_preprocess.preprocess import preprocess
from parcela_preprocess.transforms.straighten import TILT_DEGREES, StraightenedSpacingd
from phantoms import PHANTOMS, Phantom, sample, write

LOBES = sorted({(r.lobe, r.hemisphere) for r in regions()})
# Heads of half the size on half the grid; one whose slices are a quarter as many, and as thick as a scanner's.
SMALL = [
    replace(p, size=0.5, spacing_mm=(1.0, 1.0, 6.0) if p.name == "anisotropic" else p.spacing_mm)
    for p in PHANTOMS
]
SMALL_SHAPE: Shape = (46, 61, 62)
TO_LOBE = np.asarray([0, *(1 + LOBES.index((r.lobe, r.hemisphere)) for r in regions())], np.uint8)


def monai_scores(
    volume: Volume, truth: NDArray[np.uint8], ids: tuple[int, ...], shape: Shape
) -> torch.Tensor:
    """Each region's share of each of the model's voxels, by MONAI's transforms: (*shape, 1 + len(ids)).

    On a tilted grid the shares of single regions go by cubic splines. Linear interpolation between its voxels, none of
    which falls on a place of the upright grid, halves what is one voxel thick: the tail of Heschl_R, 30 mm from its
    centre, would go, which is a loss of the indicators here and no shift. Lobes have no such tails.
    """
    mode: Any = 3 if len(ids) > len(LOBES) else "bilinear"
    image = nib.as_closest_canonical(nib.Nifti1Image(volume.data, volume.geometry.affine))
    labels = nib.as_closest_canonical(nib.Nifti1Image(truth, volume.geometry.affine))
    affine = torch.from_numpy(np.asarray(image.affine))
    keys = ["image", "share"]
    upright = [
        StraightenedSpacingd("image"),
        ResampleToMatchd("share", key_dst="image", mode=mode, padding_mode="zeros"),
    ]
    tilted = volume.geometry.tilt_degrees > TILT_DEGREES
    chain = Compose(
        [
            *(upright if tilted else [Spacingd(keys, pixdim=(1.0, 1.0, 1.0))]),
            Orientationd(keys, axcodes="RAS", labels=None),
            HistogramNormalized("image"),
            CropForegroundd(keys, source_key="image"),
            Resized(keys, spatial_size=shape),
        ]
    )
    shares = []
    for part in np.array_split(np.asarray(ids), max(1, len(ids) // 10)):
        indicator = np.ascontiguousarray(
            np.asarray(labels.dataobj)[None] == part[:, None, None, None], np.float32
        )
        done = chain(
            {
                "image": MetaTensor(
                    torch.from_numpy(np.ascontiguousarray(image.dataobj, np.float32)[None]),
                    affine=affine,
                ),
                "share": MetaTensor(torch.from_numpy(indicator), affine=affine),
            }
        )
        shares.append(done["share"].as_tensor().half())
    regions = torch.cat(shares).movedim(0, -1)
    return torch.cat([1 - regions.sum(-1, keepdim=True), regions], -1)


def centre(mask: NDArray[np.bool_], affine: Affine) -> NDArray[np.float64]:
    """World mm of a mask's centre of mass."""
    return np.asarray(affine[:3, :3] @ np.argwhere(mask).mean(0) + affine[:3, 3])


def there_and_back(
    phantom: Phantom, tmp_path: Path, relabel: NDArray[np.uint8], shape: Shape
) -> tuple[Volume, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
    """The phantom as read, its labels, what came back, and how far each label's centre moved in mm, (n, 3)."""
    image, aal = sample(phantom)
    truth = relabel[aal]
    ids = tuple(range(1, int(relabel.max()) + 1))
    volume = read_volume(write(phantom, image, tmp_path / "phantom.nii.gz"))
    done = preprocess(volume, preprocess=False, shape=shape)
    assert done.image.shape == shape
    found = to_scan(BlockScores.of(monai_scores(volume, truth, ids, shape)), done.trail)
    assert found.shape == truth.shape
    affine = volume.geometry.affine
    moved = [centre(found == i, affine) - centre(truth == i, affine) for i in ids]
    return volume, truth, found, np.asarray(moved)


def check_shifts(volume: Volume, moved: NDArray[np.float64]) -> None:
    distance = np.linalg.norm(moved, axis=1)
    longest_mm = max(volume.geometry.spacing_mm)
    assert np.abs(moved.mean(0)).max() <= 0.1
    assert np.median(distance) <= 0.25
    assert distance.max() <= max(0.75, longest_mm / 4)


@pytest.mark.parametrize("phantom", SMALL, ids=lambda p: p.name)
def test_given_an_awkward_grid_when_the_lobes_go_there_and_back_then_none_moves_or_changes_side(
    phantom: Phantom, tmp_path: Path
) -> None:
    volume, _, found, moved = there_and_back(phantom, tmp_path, TO_LOBE, SMALL_SHAPE)
    check_shifts(volume, moved)
    x_mm = {name: centre(found == 1 + i, volume.geometry.affine)[0] for i, name in enumerate(LOBES)}
    assert all(x_mm[lobe, "L"] < x_mm[lobe, "R"] for lobe, side in LOBES if side == "L")


@pytest.mark.slow
@pytest.mark.parametrize("phantom", PHANTOMS, ids=lambda p: p.name)
def test_given_all_116_regions_when_they_go_there_and_back_then_none_moves(
    phantom: Phantom, tmp_path: Path
) -> None:
    volume, _, _, moved = there_and_back(
        phantom, tmp_path, np.arange(117, dtype=np.uint8), MODEL_SHAPE
    )
    distance = np.linalg.norm(moved, axis=1)
    print(
        f"{phantom.name}: mean {moved.mean(0).round(3)} mm, median {np.median(distance):.3f}, "
        f"maximum {distance.max():.3f}"
    )
    check_shifts(volume, moved)
