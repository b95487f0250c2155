"""How far each place of the atlas is from each of its regions: what the mapping of a labelled voxel is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from parcela.atlas.aal import CLASS_COUNT
from parcela_inference.registration.atlas_box import AtlasBox, atlas_box

NEAREST, FARTHEST = -2.0, 26.0  # mm; beyond them a distance stays the same
STEPS = 9  # in 8 bits, of a millimetre
AROUND = 8  # voxels kept around the brain's box


@dataclass(frozen=True, slots=True, eq=False)
class RegionDistances:
    """Signed distances in mm from the regions and from the background, negative within.

    Attributes:
        steps: (117 · X · Y · Z) uint8, in ``STEPS`` of a millimetre from ``NEAREST``.
        shape: (X, Y, Z) of a part of the atlas's voxels.
        first: (3,) where that part begins in the atlas's box, in voxels of ``AtlasBox.labels``.
        box: the atlas's.
    """

    steps: Tensor
    shape: tuple[int, int, int]
    first: Tensor
    box: AtlasBox

    def at(self, places: Tensor, labels: Tensor) -> Tensor:
        """From places in the atlas, (n, 3), to the class of each, (n,): mm, linear; places get a gradient."""
        _, y, z = self.shape
        limit = torch.tensor(self.shape) - 1.001
        index = torch.minimum((self.box.index(places) - self.first).clamp_min(0), limit)
        low = index.detach().floor().long()
        above = index - low
        rows = ((labels.long() * self.shape[0] + low[:, 0]) * y + low[:, 1]) * z + low[:, 2]
        steps = torch.zeros(())
        for corner in product((0, 1), repeat=3):
            a, b, c = corner
            weight = torch.where(torch.tensor(corner) > 0, above, 1 - above).prod(-1)
            steps = steps + weight * self.steps[rows + (a * y + b) * z + c].float()
        return steps / STEPS + NEAREST


@cache
def region_distances() -> RegionDistances:
    """Of the atlas as ``atlas_box`` has it; a quarter of a minute on one core, and 0.7 GB."""
    box = atlas_box()
    low = box.first.long() - AROUND
    high = box.first.long() + box.size_mm.long() + AROUND
    padding = [
        (max(0, -int(a)), max(0, int(b) - size))
        for a, b, size in zip(low, high, box.labels.shape, strict=True)
    ]
    part = tuple(
        slice(int(a) + before, int(b) + before)
        for a, b, (before, _) in zip(low, high, padding, strict=True)
    )
    labels = np.pad(box.labels.numpy(), padding)[part]
    steps = np.stack([_in_steps(labels == index) for index in range(CLASS_COUNT)])
    i, j, k = labels.shape
    return RegionDistances(torch.from_numpy(steps).flatten(), (i, j, k), low.float(), box)


def _in_steps(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Distances from one class, (X, Y, Z), computed where they are less than the farthest."""
    far = np.full(mask.shape, round((FARTHEST - NEAREST) * STEPS), np.uint8)
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return far
    reach = int(FARTHEST)
    near = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in found[0])
    outside = ndimage.distance_transform_edt(~mask[near])
    within = ndimage.distance_transform_edt(mask[near])
    distance = np.clip(outside - within, NEAREST, FARTHEST)
    far[near] = np.round((distance - NEAREST) * STEPS).astype(np.uint8)
    return far
