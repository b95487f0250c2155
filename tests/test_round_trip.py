"""There and back: labels go through MONAI's own geometric transforms, and return by the trail's one inversion.

The way there is MONAI's resampling of each region's indicator, not the trail: a half-voxel error in either shows as a
shift.
"""

from __future__ import annotations

from pathlib import Path

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
    Resized,
    Spacingd,
)
from numpy.typing import NDArray

from parcela.atlas import region
from parcela.geometry import Affine
from parcela.volume import Volume, read_volume
from parcela_inference.native import to_scan
from parcela_preprocess.preprocess import Preprocessed, preprocess
from phantoms import CENTRE_MM, PHANTOMS, Phantom, sample, write

SIDES = ("Hippocampus_L", "Hippocampus_R", "Pallidum_L", "Pallidum_R")
FEW = tuple(sorted({*range(5, 117, 16), *(region(name).index for name in SIDES)}))
ALL = tuple(range(1, 117))


def monai_scores(volume: Volume, truth: NDArray[np.uint8], ids: tuple[int, ...]) -> torch.Tensor:
    """Each region's share of each of the model's voxels, by MONAI's transforms: (91, 122, 123, 1 + len(ids))."""
    image = nib.as_closest_canonical(nib.Nifti1Image(volume.data, volume.geometry.affine))
    labels = nib.as_closest_canonical(nib.Nifti1Image(truth, volume.geometry.affine))
    affine = torch.from_numpy(np.asarray(image.affine))
    keys = ["image", "share"]
    chain = Compose(
        [
            Spacingd(keys, pixdim=(1.0, 1.0, 1.0)),
            Orientationd(keys, axcodes="RAS", labels=None),
            HistogramNormalized("image"),
            CropForegroundd(keys, source_key="image"),
            Resized(keys, spatial_size=(91, 122, 123)),
        ]
    )
    shares = []
    for part in np.array_split(np.asarray(ids), max(1, len(ids) // 6)):
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


def shifts(
    truth: NDArray[np.uint8], found: NDArray[np.uint8], ids: tuple[int, ...], affine: Affine
) -> NDArray[np.float64]:
    """How far each region's centre moved, (n, 3) in mm; ``found`` numbers them from 1 in the order of ``ids``."""
    return np.asarray(
        [
            centre(found == i + 1, affine) - centre(truth == label, affine)
            for i, label in enumerate(ids)
            if (truth == label).any()
        ]
    )


def there_and_back(
    phantom: Phantom, tmp_path: Path, ids: tuple[int, ...]
) -> tuple[Volume, Preprocessed, NDArray[np.uint8], NDArray[np.uint8]]:
    image, truth = sample(phantom)
    volume = read_volume(write(phantom, image, tmp_path / "phantom.nii.gz"))
    done = preprocess(volume, strip_and_correct=False)
    return volume, done, truth, to_scan(monai_scores(volume, truth, ids), done.trail)


def check_shifts(volume: Volume, moved: NDArray[np.float64]) -> None:
    distance = np.linalg.norm(moved, axis=1)
    longest_mm = max(volume.geometry.spacing_mm)
    assert np.abs(moved.mean(0)).max() <= 0.1
    assert np.median(distance) <= 0.25
    assert distance.max() <= max(0.75, longest_mm / 4)


@pytest.mark.parametrize("phantom", PHANTOMS, ids=lambda p: p.name)
def test_given_an_awkward_grid_when_labels_go_there_and_back_then_no_region_moves(
    phantom: Phantom, tmp_path: Path
) -> None:
    volume, done, truth, found = there_and_back(phantom, tmp_path, FEW)
    affine = volume.geometry.affine
    assert done.image.shape == (91, 122, 123)
    assert found.shape == truth.shape
    check_shifts(volume, shifts(truth, found, FEW, affine))
    for left, right in (SIDES[:2], SIDES[2:]):
        x_left, x_right = (
            centre(found == FEW.index(region(name).index) + 1, affine)[0] for name in (left, right)
        )
        assert x_left < CENTRE_MM[0] < x_right or (phantom.header == "none" and x_left < x_right)


@pytest.mark.slow
@pytest.mark.parametrize("phantom", PHANTOMS, ids=lambda p: p.name)
def test_given_all_116_regions_when_they_go_there_and_back_then_none_moves(
    phantom: Phantom, tmp_path: Path
) -> None:
    volume, _, truth, found = there_and_back(phantom, tmp_path, ALL)
    moved = shifts(truth, found, ALL, volume.geometry.affine)
    print(
        f"{phantom.name}: mean {moved.mean(0).round(3)} mm, median {np.median(np.linalg.norm(moved, axis=1)):.3f}, "
        f"maximum {np.linalg.norm(moved, axis=1).max():.3f}"
    )
    check_shifts(volume, moved)
