"""Colin27's brain and the labels drawn on it: what is registered to every scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import COLIN27_BRAIN, atlas_labels, intact
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import read_volume


@dataclass(frozen=True, eq=False)
class Atlas:
    """A brain and its label map on one grid.

    Attributes:
        brain: (X, Y, Z) float32, skull-stripped, 0 outside.
        labels: (X, Y, Z) uint8, ids 0 to 116.
        geometry: the grid; its world is the atlas's standard space.
    """

    brain: NDArray[np.float32]
    labels: NDArray[np.uint8]
    geometry: Geometry


@cache
def colin27() -> Atlas:
    """AAL on Colin27, (181, 217, 181) at 1 mm.

    Raises:
        Unavailable: a file that came with this installation is missing or damaged.
    """
    brain = read_volume(intact(COLIN27_BRAIN))
    labels, _ = atlas_labels()
    return Atlas(brain.data, labels, brain.geometry)
