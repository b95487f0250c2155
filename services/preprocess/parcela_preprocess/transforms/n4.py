"""Step 2: bias-field correction."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from parcela.processes.isolation import run_isolated
from parcela_preprocess import native_tasks
from parcela_preprocess.bias_field import without_bias
from parcela_preprocess.transforms.skull_strip import MASK, grid_of, with_values


class N4BiasCorrectionWithANTsd(MapTransform):
    """N4 (doi:10.1109/TMI.2010.2046908) through antspyx with its defaults, in a child process.

    The field is estimated on the whole image, which is antspyx's default.
    """

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
            corrected = run_isolated("n4", arrays, module=native_tasks.__name__)["image"]
            done[key] = with_values(image, corrected)
        return done


class N4BiasCorrectionOfBraind(MapTransform):
    """N4 inside the brain mask found under ``mask_key``, (1, X, Y, Z) on the image's grid; 0 outside it stays 0.

    What antspyx gives with that mask and its other defaults, but for rounding (``parcela_preprocess.bias_field``).
    """

    def __init__(self, keys: KeysCollection, mask_key: str = MASK) -> None:
        super().__init__(keys)
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        done = dict(data)
        for key in self.key_iterator(done):
            image: MetaTensor = done[key]
            mask = np.asarray(done[self.mask_key][0]) > 0
            done[key] = with_values(image, without_bias(np.asarray(image[0], np.float32), mask))
        return done
