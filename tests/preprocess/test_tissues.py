"""Tissues: the dark class is CSF and the bright one white matter, on the scan's own grid, whatever its axes."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from in_process import run_here
from parcela.errors import BadRequest
from parcela.imaging.geometry import Geometry
from parcela.imaging.preprocessed import MODEL_SHAPE, Preprocessed
from parcela.imaging.tissues import TISSUES
from parcela.imaging.volume import Volume
from parcela_preprocess.native_tasks import BRIGHTEST
from parcela_preprocess.preprocess import preprocess
from parcela_preprocess.transforms.tissues import SHARES, TissuesWithAtroposd

LEVELS = {"csf": 30.0, "grey": 60.0, "white": 100.0}


def a_brain() -> tuple[Volume, np.ndarray]:
    """Shells of three tissues, as large as a brain, stored with other axes; and which tissue is where."""
    shape, spacing = (46, 40, 44), 3.5
    places = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"))
    radius_mm = spacing * np.sqrt((np.square(places) * [[[[1]]], [[[1.2]]], [[[1.1]]]]).sum(0))
    tissue = np.select([radius_mm < 45, radius_mm < 57, radius_mm < 64], [2, 1, 0], -1)
    noise = np.random.default_rng(0).normal(0, 4, shape)
    image = np.where(tissue >= 0, np.array([*LEVELS.values()])[tissue] + noise, 0)
    affine = np.array(
        [[0, 0, -spacing, 80], [-spacing, 0, 0, 90], [0, spacing, 0, -70], [0, 0, 0, 1]]
    )
    geometry = Geometry.of_grid(shape, affine.astype(float))
    return Volume(image.astype(np.float32), geometry, "shells"), tissue


def test_given_three_tissues_then_each_has_its_shares_on_the_scans_own_grid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("parcela_preprocess.transforms.tissues.run_isolated", run_here)
    volume, tissue = a_brain()
    vessels = np.random.default_rng(1).random(tissue.shape) < 0.004
    volume.data[vessels & (tissue >= 0)] = 2000.0

    ready = preprocess(volume, preprocess=False, shape=(24, 24, 24), tissues=True)

    assert ready.tissues is not None
    assert "tissues" in ready.record.seconds
    for number, name in enumerate(TISSUES):
        share = ready.tissues[number] / 255
        assert share[tissue == number].mean() > 0.9, name
        assert share[tissue != number].mean() < 0.05, name
    np.testing.assert_array_equal(ready.tissues.sum(0, dtype=int) > 0, ready.brain_mask > 0)
    ready.save(tmp_path)
    np.testing.assert_array_equal(Preprocessed.load(tmp_path).tissues, ready.tissues)


def test_given_a_brain_then_the_shares_are_those_of_atropos_itself() -> None:
    import ants

    volume, tissue = a_brain()
    mask = (tissue >= 0).astype(np.float32)
    spacing = list(volume.geometry.spacing_mm)
    cut = np.minimum(volume.data, np.percentile(volume.data[mask > 0], BRIGHTEST))
    image, inside = (ants.from_numpy(array, spacing=spacing) for array in (cut, mask))
    theirs = ants.atropos(a=image, x=inside, i="kmeans[3]", m="[0.1,1x1x1]", c="[5,0]", r=0)
    affine = torch.from_numpy(volume.geometry.affine)
    data: dict[Hashable, Any] = {
        "image": MetaTensor(torch.from_numpy(volume.data[None]), affine=affine),
        "brain_mask": MetaTensor(torch.from_numpy(mask[None]), affine=affine),
    }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("parcela_preprocess.transforms.tissues.run_isolated", run_here)
        shares = TissuesWithAtroposd("image")(data)[SHARES]

    for share, expected in zip(np.asarray(shares), theirs["probabilityimages"], strict=True):
        assert np.abs(share / 255 - expected.numpy() * mask).max() < 0.01


def test_given_an_image_of_the_networks_grid_then_its_tissues_are_refused() -> None:
    image = np.random.default_rng(0).random(MODEL_SHAPE, np.float32)
    volume = Volume(image, Geometry.of_grid(MODEL_SHAPE, np.eye(4)))
    with pytest.raises(BadRequest, match="give the scan"):
        preprocess(volume, preprocess=False, tissues=True)
