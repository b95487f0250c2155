"""A small real brain, and networks that need no training to run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from parcela.atlas.aal import COLIN27_BRAIN
from parcela.imaging.volume import read_volume

STEP = 3  # every third voxel of 1 mm


@pytest.fixture(scope="session")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colin27's brain with voxels of 3 mm, as a NIfTI file."""
    whole = read_volume(COLIN27_BRAIN)
    affine = whole.geometry.affine @ np.diag([STEP, STEP, STEP, 1.0])
    path = tmp_path_factory.mktemp("scans") / "colin.nii.gz"
    nib.save(nib.Nifti1Image(whole.data[::STEP, ::STEP, ::STEP].astype(np.uint8), affine), path)
    return path


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights as it ships, but of networks that were never trained."""
    import torch
    from safetensors.torch import save_file

    from parcela.options import NETWORKS
    from parcela_inference.networks import build

    root = tmp_path_factory.mktemp("weights")
    for model in NETWORKS:
        folder = root / model
        folder.mkdir()
        torch.manual_seed(0)
        state = build(model).state_dict()
        save_file(
            {name: tensor.contiguous() for name, tensor in state.items()},
            folder / "model.safetensors",
        )
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        card = {
            "model": model,
            "variant": "modern",
            "sha256": digest,
            "validation": {"mean_dice": 0.01},
        }
        (folder / "card.json").write_text(json.dumps(card))
    return root
