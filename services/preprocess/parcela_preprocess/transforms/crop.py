"""Step 7 for prediction: to the brain, with room for what a field of view has cut off."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.data import MetaTensor
from monai.transforms import BorderPad, CropForegroundd, MapTransform

from parcela_preprocess.extent import missing_mm
from parcela_preprocess.field_of_view import cut_warning, cuts
from parcela_preprocess.transforms.skull_strip import MASK, grid_of
from parcela_preprocess.transforms.straighten import TILT_DEGREES


class CropToBraind(MapTransform):
    """MONAI's ``CropForeground``; where the field of view cuts the brain, zeros take the missing part's place.

    The next step stretches this box over the networks' grid. ``mask_key`` names the brain mask on the scan's grid,
    (1, X, Y, Z), axes nearest to RAS+ as the image's; without it nothing is added. A cut is said under ``notes``.
    """

    def __init__(self, key: str, mask_key: str = MASK) -> None:
        super().__init__(key)
        self.mask_key = mask_key
        self.crop = CropForegroundd(key, source_key=key)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        done: dict[Hashable, Any] = self.crop(data)
        if self.mask_key not in done:
            return done
        mask: MetaTensor = done[self.mask_key]
        geometry, array = grid_of(mask), np.asarray(mask[0], np.uint8)
        sides = cuts(array, geometry)
        if not sides:
            return done
        if (
            geometry.tilt_degrees > TILT_DEGREES
        ):  # the image stands upright now, and the cut is oblique to it
            done["notes"] = (*done.get("notes", ()), *cut_warning(sides, completed=False))
            return done
        missing = missing_mm(array, np.asarray(geometry.spacing_mm), sides)
        for key in self.key_iterator(done):
            image: MetaTensor = done[key]
            steps = grid_of(image).spacing_mm
            room = [
                round(mm / step) for both, step in zip(missing, steps, strict=True) for mm in both
            ]
            done[key] = BorderPad(room)(image)
        done["notes"] = (*done.get("notes", ()), *cut_warning(sides, completed=True))
        return done
