"""The atlas in the box of its brain: Colin27's image for the network, the regions for what it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from parcela.atlas.colin27 import colin27
from parcela.atlas.opening import open_labels
from parcela_inference.registration.mapping import nearest, sampled

# Voxels of 1 mm: about as much as the opening of the labels that networks learn, three voxels of their grid.
OPENED = (5, 4, 4)


@dataclass(frozen=True, eq=False)
class AtlasBox:
    """AAL and Colin27's brain around the box that places are counted over.

    Attributes:
        brain: (1, I, J, K) float32, from 0 to 1: the box alone.
        size_mm: (3,) of the box.
        first: (3,) voxels of ``labels`` that lie before the box along each axis.
    """

    brain: Tensor
    size_mm: Tensor
    first: Tensor

    @cached_property
    def labels(self) -> Tensor:
        """(X, Y, Z) uint8, 1 mm, opened as the labels are that the networks learn: training alone needs the second."""
        return torch.from_numpy(open_labels(colin27().labels, element=OPENED))

    def index(self, places: Tensor) -> Tensor:
        """Places in the atlas, (…, 3), as voxels of ``labels``, in fractions."""
        return self.first + (places + 1) / 2 * self.size_mm - 0.5

    def places(self, index: Tensor) -> Tensor:
        """Voxels of ``labels``, (…, 3), in fractions, as places in the atlas: the way back from ``index``."""
        return (index + 0.5 - self.first) / self.size_mm * 2 - 1

    def labels_at(self, places: Tensor, labels: Tensor | None = None) -> Tensor:
        """The regions at places (…, 3): (…) uint8, 0 beyond the atlas; those of another map of its voxels, if given."""
        return nearest(self.labels if labels is None else labels, self.index(places))

    def image(self, places: Tensor) -> Tensor:
        """Colin27's brain at places (…, 3): (…), 0 beyond the box."""
        return sampled(self.brain, places, outside="zeros")[..., 0]


@cache
def atlas_box() -> AtlasBox:
    """The atlas's.

    Raises:
        Unavailable: a file that came with this installation is missing or damaged.
    """
    atlas = colin27()
    brain = np.argwhere(atlas.brain > 0)
    low, high = brain.min(axis=0), brain.max(axis=0) + 1
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    image = torch.from_numpy(atlas.brain[i, j, k].copy())
    return AtlasBox(
        (image / image.max())[None],
        torch.from_numpy((high - low).astype(np.float32)),
        torch.from_numpy(low.astype(np.float32)),
    )
