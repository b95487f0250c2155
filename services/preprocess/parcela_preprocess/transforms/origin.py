"""Step 8: the world origin to (0, 0, 0)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform


class SetOriginToZeroWithANTsd(MapTransform, InvertibleTransform):
    """What ANTs' ``set_origin((0, 0, 0))`` does to an image: its first voxel lies at the world's origin.

    Only the affine's translation changes, no voxel moves. The removed origin, in mm (RAS+), is kept under
    ``removed_origin_mm``; the inverse puts it back.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        done = dict(data)
        for key in self.key_iterator(done):
            image: MetaTensor = done[key].clone()
            removed = image.affine[:3, 3].tolist()
            done["removed_origin_mm"] = tuple(removed)
            image.affine = _with_origin(image.affine, [0.0, 0.0, 0.0])
            self.push_transform(  # type: ignore[no-untyped-call]
                image, extra_info={"removed_origin_mm": removed}
            )
            done[key] = image
        return done

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        done = dict(data)
        for key in self.key_iterator(done):
            image: MetaTensor = done[key].clone()
            trace = self.pop_transform(image)
            image.affine = _with_origin(image.affine, trace["extra_info"]["removed_origin_mm"])
            done[key] = image
        return done


def _with_origin(affine: torch.Tensor, origin_mm: list[float]) -> torch.Tensor:
    moved = affine.clone()
    moved[:3, 3] = torch.tensor(origin_mm, dtype=affine.dtype)
    return moved
