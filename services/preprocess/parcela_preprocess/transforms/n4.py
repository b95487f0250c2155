"""Step 2: bias-field correction."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from parcela.processes.isolation import run_isolated
from parcela_preprocess import native_tasks
from parcela_preprocess.transforms.skull_strip import grid_of


class N4BiasCorrectionWithANTsd(MapTransform):
    """N4 (doi:10.1109/TMI.2010.2046908) through antspyx with its defaults, in a child process.

    ``mask_key`` names a mask, (1, X, Y, Z) on the image's grid, inside which the field is estimated; None: the whole
    image, which is antspyx's default.
    """

    def __init__(self, keys: KeysCollection, mask_key: str | None = None) -> None:
        super().__init__(keys)
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        done = dict(data)
        for key in self.key_iterator(done):
            image: MetaTensor = done[key]
            origin, spacing, direction = grid_of(image).itk_frame()
            arrays = {
                "image": np.asarray(image[0], np.float32),
                "origin": np.asarray(origin),
                "spacing": np.asarray(spacing),
                "direction": direction,
            }
            if self.mask_key is not None:
                arrays["mask"] = np.asarray(done[self.mask_key][0], np.uint8)
            corrected = run_isolated("n4", arrays, module=native_tasks.__name__)["image"]
            done[key] = MetaTensor(torch.from_numpy(corrected[None]), meta=image.meta)
        return done
