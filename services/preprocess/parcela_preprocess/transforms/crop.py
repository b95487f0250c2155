"""Step 7 for prediction: to the brain, completed where the field of view has cut something off."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import BorderPad, CropForegroundd, MapTransform, SpatialCrop
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from parcela.imaging.field_of_view import Cut, beyond
from parcela.imaging.trail import Grid
from parcela_preprocess.extent import AROUND, fit
from parcela_preprocess.field_of_view import cut_warning, cuts
from parcela_preprocess.transforms.skull_strip import MASK, grid_of

FARTHEST_MM = 120.0  # a brain goes on beyond its cut
CUTS = "cuts"


class CropToBraind(MapTransform):
    """MONAI's ``CropForeground``; where the field of view cuts the brain, Colin27 lends the missing part.

    The next step stretches this box over the networks' grid. ``mask_key`` names the brain mask on the scan's grid,
    (1, X, Y, Z); without it nothing is lent. The cuts are left under ``cuts``, and are said under ``notes``. With
    ``onto`` the box is that of a grid, such as one that labels lie on, to the nearest voxel.
    """

    def __init__(self, key: str, mask_key: str = MASK, onto: Grid | None = None) -> None:
        super().__init__(key)
        self.mask_key, self.onto = mask_key, onto
        self.to_brain = CropForegroundd(key, source_key=key)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if self.mask_key not in data:
            return self._crop(data)
        mask: MetaTensor = data[self.mask_key]
        sides = cuts(np.asarray(mask[0], np.uint8), grid_of(mask))
        if not sides:
            return self._crop(data)
        done: dict[Hashable, Any] = self.to_brain(data)
        for key in self.key_iterator(done):
            done[key], sides = _completed(done[key], sides)
        done[CUTS] = sides
        done["notes"] = (*done.get("notes", ()), *cut_warning(sides, completed=True))
        return self._crop(done)

    def _crop(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if self.onto is None:
            return dict(self.to_brain(data))
        return dict(data) | {
            key: _box(data[key], self.onto) for key in self.key_iterator(dict(data))
        }


def _box(image: MetaTensor, grid: Grid) -> MetaTensor:
    """What a grid covers of an image, (1, X, Y, Z), to the nearest voxel; zeros beyond the image's ends."""
    ends = np.array([[-0.5, -0.5, -0.5], np.array(grid.shape) - 0.5])
    way = np.linalg.inv(np.asarray(image.affine, np.float64)) @ grid.affine
    start, end = np.rint(np.sort(apply_affine(way, ends), axis=0) + 0.5).astype(int)
    room = np.maximum(0, [-start, end - np.array(image.shape[1:])])
    make_room: Any = BorderPad(room.T.ravel().tolist())
    cut: Any = SpatialCrop(roi_start=start + room[0], roi_end=end + room[0])
    boxed: MetaTensor = cut(make_room(image))
    return boxed


def _completed(image: MetaTensor, sides: tuple[Cut, ...]) -> tuple[MetaTensor, tuple[Cut, ...]]:
    """The image, (1, X, Y, Z), with Colin27 beyond the cuts, and the cuts with what is missing there."""
    pad: Any = BorderPad(AROUND)
    image = pad(image)
    geometry = grid_of(image)
    view = ~beyond(sides, geometry.shape, geometry.affine)
    array = np.asarray(image[0], np.float32)
    pose = fit(array * view, view, "".join(cut.side for cut in sides))
    surface = pose.surface()
    places = np.column_stack([surface, np.ones(len(surface))]) @ geometry.affine.T
    reach_mm = places @ np.array([cut.plane for cut in sides]).T  # (n, cuts)
    outside = surface[(reach_mm > 0).any(axis=1)]
    room = _room(outside, array.shape)
    make_room: Any = BorderPad(room.ravel().tolist())
    padded: MetaTensor = make_room(image)
    grid = grid_of(padded)
    lent = pose.laid(grid.shape, -room[:, 0].astype(np.float64))
    filled = np.where(beyond(sides, grid.shape, grid.affine), lent, np.asarray(padded[0]))
    padded.copy_(torch.from_numpy(filled.astype(np.float32)[None]))
    missing_mm = reach_mm.max(axis=0, initial=0.0)
    return padded, tuple(
        cut.model_copy(update={"missing_mm": float(min(mm, FARTHEST_MM))})
        for cut, mm in zip(sides, missing_mm, strict=True)
    )


def _room(outside: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """(3, 2) voxels to add before and behind each axis, so that places (n, 3) lie on the grid."""
    if not len(outside):
        return np.zeros((3, 2), np.int64)
    reach = np.stack([-outside.min(axis=0), outside.max(axis=0) - (np.array(shape) - 1)], axis=1)
    return np.asarray(np.ceil(np.clip(reach, 0, FARTHEST_MM)), np.int64)
