"""Grey matter, white matter and CSF as shares of each voxel, and their volumes in each region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT

Tissue = Literal["csf", "grey", "white"]  # from dark to bright on a T1-weighted image
Shares = NDArray[
    np.uint8
]  # (3, X, Y, Z) in the order of TISSUES, 0 to WHOLE; together WHOLE or, outside, 0

TISSUES: tuple[Tissue, ...] = get_args(Tissue)
WHOLE = 255
MAP_NAMES: Mapping[Tissue, str] = {
    "csf": "label-CSF_probseg.nii.gz",
    "grey": "label-GM_probseg.nii.gz",
    "white": "label-WM_probseg.nii.gz",
}


def tissue_volumes_mm3(
    shares: Shares, labels: NDArray[np.uint8], voxel_volume_mm3: float
) -> dict[Tissue, NDArray[np.float64]]:
    """The volume of each tissue, (117,), in the background and each region.

    Args:
        shares: as above.
        labels: (X, Y, Z) ids 0 to 116 on the same grid.
        voxel_volume_mm3: of that grid.
    """
    ids = labels.ravel()
    unit_mm3 = voxel_volume_mm3 / WHOLE
    return {
        tissue: np.asarray(np.bincount(ids, share.ravel(), CLASS_COUNT) * unit_mm3, np.float64)
        for tissue, share in zip(TISSUES, shares, strict=True)
    }


def shares_of(memberships: NDArray[np.float32], mask: NDArray[np.bool_]) -> Shares:
    """Memberships, (3, X, Y, Z) from 0 to 1, in whole steps that add up in every voxel of the mask, (X, Y, Z)."""
    steps = np.rint(np.clip(memberships, 0, 1) * WHOLE).astype(np.int16) * mask
    largest = steps.argmax(0)[None]
    rest = WHOLE * mask - steps.sum(0)
    np.put_along_axis(steps, largest, np.take_along_axis(steps, largest, 0) + rest, 0)
    return steps.astype(np.uint8)
