"""The atlas, or a second image, registered to one scan by ANTs, in a child process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.colin27 import Atlas, colin27
from parcela.errors import BadRequest
from parcela.imaging.geometry import Affine, Geometry
from parcela.imaging.trail import GeometryTrail
from parcela.processes.isolation import run_isolated
from parcela_labelling import native_tasks
from parcela_labelling.transforms import AFFINE, INVERSE_WARP, WARP, Transforms

Method = Literal["SyN", "antsRegistrationSyNQuick[s]", "Affine"]
SEED = 1
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK's world: x and y negated
FILES = {"affine": AFFINE, "warp": WARP, "inverse_warp": INVERSE_WARP}


@dataclass(frozen=True, eq=False)
class Registration:
    """The atlas on the image's grid, before any opening.

    Attributes:
        labels: (I, J, K) uint8, ids 0 to 116.
        brain: (I, J, K) float32, the atlas's brain, interpolated linearly, 0 outside.
        transforms: between the scan's world and Colin27's.
    """

    labels: NDArray[np.uint8]
    brain: NDArray[np.float32]
    transforms: Transforms


def register(
    image: NDArray[np.float32],
    trail: GeometryTrail,
    *,
    method: Method = "SyN",
    atlas: Atlas | None = None,
    seed: int = SEED,
) -> Registration:
    """Register the atlas's brain to an image with ANTs, and carry its labels over.

    The image is placed in the *scan's* world, so that the transforms hold for the scan's own coordinates. With one
    thread of ITK (the default setting) and the fixed seed of the isolation the result repeats exactly; antspyx's own
    ``random_seed`` has no effect, and two threads differ from run to run.

    Args:
        image: (I, J, K) float32, as ``preprocess`` leaves it: a brain, 0 outside.
        trail: from the scan's grid to this one.
        method: antspyx's ``type_of_transform``: SyN, its quick variant, or an affine registration only.
        atlas: what to register; Colin27 with AAL unless given.
        seed: of ANTs's sampling; another one shows how far a registration agrees with itself.

    Raises:
        BadRequest: the method is not one of these. StepFailed: ANTs crashed or refused the image.
    """
    if method not in get_args(Method):
        raise BadRequest(f"method={method!r}: choose from {', '.join(get_args(Method))}")
    moving = atlas or colin27()
    carried = run_isolated(
        "register",
        {
            "image": image,
            "image_frame": _frame(trail.model.shape, trail.model.affine),
            "brain": moving.brain,
            "labels": moving.labels,
            "atlas_frame": _frame(moving.brain.shape, moving.affine),
        },
        {"type_of_transform": method, "seed": seed},
        module=native_tasks.__name__,
    )
    files = {name: carried[kind].tobytes() for kind, name in FILES.items() if kind in carried}
    return Registration(carried["labels"], carried["brain"], Transforms(files))


def register_rigidly(
    scan: NDArray[np.float32],
    scan_grid: Geometry,
    image: NDArray[np.float32],
    image_grid: Geometry,
) -> tuple[Affine, tuple[float, float]]:
    """Find the rotation and shift that lay another image of a head on its scan.

    ANTs's ``Rigid``: Mattes's mutual information, from coarse to fine.

    Args:
        scan, image: (X, Y, Z) each, on its own grid.
        scan_grid, image_grid: the grids.

    Returns:
        (4, 4) from the image's world to the scan's, RAS+ mm; and the mutual information before and after, in nats.

    Raises:
        StepFailed: ANTs crashed or refused the images.
    """
    result = run_isolated(
        "register_rigidly",
        {
            "scan": scan,
            "scan_frame": _frame(scan_grid.shape, scan_grid.affine),
            "image": image,
            "image_frame": _frame(image_grid.shape, image_grid.affine),
        },
        {"seed": SEED},
        module=native_tasks.__name__,
    )
    before, after = result["information"]
    return LPS @ np.linalg.inv(result["to_image"]) @ LPS, (float(before), float(after))


def _frame(shape: tuple[int, ...], affine: Affine) -> NDArray[np.float64]:
    """(5, 3): origin, spacing and the rows of the direction, as ITK wants them.

    Rounded to 32 bits, which is all that a NIfTI header holds: whoever registers the preprocessed image from its file
    starts from the same numbers. SyN amplifies even this rounding (mean Dice 0.97 to 0.98 between with and without).
    """
    x, y, z = shape
    origin, spacing, direction = Geometry.of_grid((x, y, z), affine).itk_frame()
    return np.vstack([origin, spacing, direction]).astype(np.float32).astype(np.float64)
