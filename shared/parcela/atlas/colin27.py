"""Colin27, the head that AAL was drawn on: its brain with the labels, and the whole head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import COLIN27_BRAIN, COLIN27_HEAD, atlas_labels, intact


@dataclass(frozen=True, eq=False)
class Atlas:
    """A brain and its label map on one grid.

    Attributes:
        brain: (X, Y, Z) float32, skull-stripped, 0 outside.
        labels: (X, Y, Z) uint8, ids 0 to 116.
        affine: (4, 4), voxel index to world mm (RAS+); its world is the atlas's standard space.
    """

    brain: NDArray[np.float32]
    labels: NDArray[np.uint8]
    affine: NDArray[np.float64]


@cache
def colin27() -> Atlas:
    """AAL on Colin27's brain, (181, 217, 181) at 1 mm, axes RAS+.

    Raises:
        Unavailable: a file that came with this installation is missing or damaged.
    """
    return Atlas(_intensities(COLIN27_BRAIN), *atlas_labels())


def colin27_head() -> NDArray[np.float32]:
    """The whole head on the same grid, (181, 217, 181).

    Raises:
        Unavailable: the file that came with this installation is missing or damaged.
    """
    return _intensities(COLIN27_HEAD)


def _intensities(path: Path) -> NDArray[np.float32]:
    image = cast(nib.Nifti1Image, nib.load(intact(path)))
    return np.ascontiguousarray(image.dataobj, np.float32)
