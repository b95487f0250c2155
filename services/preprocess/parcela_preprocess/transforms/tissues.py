"""Beside the steps, on request: grey matter, white matter and CSF of the bias-corrected brain."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from parcela.imaging.geometry import box_of
from parcela.imaging.tissues import TISSUES, shares_of
from parcela.processes.isolation import run_isolated
from parcela_preprocess import native_tasks
from parcela_preprocess.transforms.skull_strip import MASK, grid_of

SHARES = "tissue_shares"


class TissuesWithAtroposd(MapTransform):
    """Atropos (doi:10.1007/s12021-011-9109-y) through antspyx: three classes in the mask, named by their brightness.

    Leaves the image as it is, and (3, X, Y, Z) uint8 on its grid under ``SHARES``.
    """

    def __init__(self, keys: KeysCollection, mask_key: str = MASK) -> None:
        super().__init__(keys)
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        done = dict(data)
        for key in self.key_iterator(done):
            image: MetaTensor = done[key]
            mask = np.asarray(done[self.mask_key][0]) > 0
            box = box_of(mask)
            segmented = run_isolated(
                "atropos",
                {
                    "image": np.asarray(image[0], np.float32)[box],
                    "mask": mask[box].astype(np.uint8),
                    "spacing": np.asarray(grid_of(image).spacing_mm),
                },
                module=native_tasks.__name__,
            )
            shares = np.zeros((len(TISSUES), *mask.shape), np.uint8)
            shares[:, *box] = shares_of(segmented["memberships"], mask[box])
            done[SHARES] = MetaTensor(torch.from_numpy(shares), affine=image.affine)
        return done
