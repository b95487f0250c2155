"""Step 3 for prediction: to 1 mm, and onto the world's axes where the grid is tilted against them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import product
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform, Spacingd, SpatialResample

from parcela.imaging.geometry import Geometry
from parcela_preprocess.transforms.skull_strip import grid_of

SPACING_MM = 1.0
TILT_DEGREES = 12.0  # the cohort's most tilted grid is turned by 11.6°, and the networks bear that


class StraightenedSpacingd(MapTransform):
    """MONAI's ``Spacing`` to 1 mm; a grid tilted by more than ``TILT_DEGREES`` is resampled onto the world's axes.

    Either is one linear interpolation, and the networks learned heads that stand upright in the world. What was done is
    said under ``notes``.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.spacing = Spacingd(key, pixdim=(SPACING_MM,) * 3)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        done: dict[Hashable, Any] = dict(data)
        (key,) = self.keys
        tilt = grid_of(done[key]).tilt_degrees
        if tilt <= TILT_DEGREES:
            return dict(self.spacing(done))
        done[key] = _upright(done[key])
        note = f"the grid is tilted by {tilt:.0f}° against the world's axes: the networks saw it turned upright"
        done["notes"] = (*done.get("notes", ()), note)
        return done


def tilt_warning(geometry: Geometry) -> tuple[str, ...]:
    """What is to be said of a tilted grid that nobody turns upright, in at most one sentence."""
    if geometry.tilt_degrees <= TILT_DEGREES:
        return ()
    tilt = f"THE GRID IS TILTED BY {geometry.tilt_degrees:.0f}° against the world's axes"
    return (f"{tilt}, and was not turned upright: the networks learned upright heads, doubt this",)


def _upright(image: MetaTensor) -> MetaTensor:
    """The image at 1 mm on a grid along the world's axes that holds all of its voxels above 0."""
    affine = np.asarray(image.affine, np.float64)
    occupied = np.argwhere(np.asarray(image[0]) > 0)
    box = np.stack([occupied.min(axis=0) - 1, occupied.max(axis=0) + 1])
    corners = np.array([[*corner, 1] for corner in product(*box.T)]) @ affine.T
    low, high = np.floor(corners[:, :3].min(axis=0)), np.ceil(corners[:, :3].max(axis=0))
    upright = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    upright[:3, 3] = low
    resample: Any = SpatialResample(mode="bilinear", padding_mode="zeros")
    turned: MetaTensor = resample(
        image,
        dst_affine=torch.from_numpy(upright),
        spatial_size=[int(n) for n in np.ceil((high - low) / SPACING_MM) + 1],
    )
    return turned
