"""The child's side of the isolation: ANTs's registration, arrays to arrays.

ANTs never reads a user's file: it gets arrays and frames with orthonormal axes. Its transforms come back as the bytes
of the files that it wrote, which any program built on ITK reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.processes.isolation import Arrays, answer


def register(
    *,
    image: NDArray[np.float32],
    image_frame: NDArray[np.float64],
    brain: NDArray[np.float32],
    labels: NDArray[np.uint8],
    atlas_frame: NDArray[np.float64],
    type_of_transform: str,
    seed: int,
) -> Arrays:
    """Register the atlas's brain (moving) to the image (fixed), and carry its labels over.

    SyN: Avants 2008, doi:10.1016/j.media.2007.06.004. The labels go over with ANTs's ``genericLabel``.

    Args:
        image: (I, J, K). brain, labels: (X, Y, Z), on one grid.
        image_frame, atlas_frame: (5, 3): origin, spacing and the three rows of the direction, as ITK wants them.
        type_of_transform: antspyx's name of the method.
        seed: of ANTs's sampling.

    Returns:
        ``labels`` uint8, ``brain`` float32 (linear), both (I, J, K); ``affine`` and, unless the method is affine,
        ``warp`` and ``inverse_warp``: bytes of ITK's files.
    """
    import ants

    os.environ["ANTS_RANDOM_SEED"] = str(
        seed
    )  # read when a registration begins; antspyx's own argument is ignored
    fixed = _image(image, image_frame)
    registration = ants.registration(
        fixed=fixed, moving=_image(brain, atlas_frame), type_of_transform=type_of_transform
    )
    carried = ants.apply_transforms(
        fixed,
        _image(labels, atlas_frame),
        registration["fwdtransforms"],
        interpolator="genericLabel",
    )
    return {
        "labels": np.rint(carried.numpy()).astype(np.uint8),
        "brain": registration["warpedmovout"].numpy().astype(np.float32),
        **_files(registration["fwdtransforms"], registration["invtransforms"]),
    }


def register_rigidly(
    *,
    scan: NDArray[np.float32],
    scan_frame: NDArray[np.float64],
    image: NDArray[np.float32],
    image_frame: NDArray[np.float64],
    seed: int,
) -> Arrays:
    """Register an image (moving) to a scan (fixed) by a rotation and a shift.

    Args:
        scan, image: (X, Y, Z) each. scan_frame, image_frame: (5, 3), as above.
        seed: of ANTs's sampling.

    Returns:
        ``to_image`` (4, 4), from the scan's world to the image's in ITK's LPS+ mm; ``information`` (2,), Mattes's
        mutual information in nats before and after.
    """
    import ants

    os.environ["ANTS_RANDOM_SEED"] = str(seed)
    fixed, moving = _image(scan, scan_frame), _image(image, image_frame)
    result = ants.registration(fixed=fixed, moving=moving, type_of_transform="Rigid")
    transform = ants.read_transform(result["fwdtransforms"][0])
    identity = ants.resample_image_to_target(moving, fixed)
    information = [
        -ants.image_similarity(fixed, aligned, metric_type="MattesMutualInformation")
        for aligned in (identity, result["warpedmovout"])
    ]
    return {"to_image": _matrix(transform), "information": np.array(information)}


def _matrix(transform: Any) -> NDArray[np.float64]:
    """(4, 4) of an ITK transform that turns about a centre: A (p - c) + c + t."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.parameters[:9], (3, 3))
    centre = np.asarray(transform.fixed_parameters[:3])
    matrix[:3, 3] = centre + transform.parameters[9:] - matrix[:3, :3] @ centre
    return matrix


def _image(array: NDArray[Any], frame: NDArray[np.float64]) -> Any:
    import ants

    return ants.from_numpy(
        array.astype(np.float32), frame[0].tolist(), frame[1].tolist(), frame[2:]
    )


def _files(forward: list[str], inverse: list[str]) -> Arrays:
    """The affine's file and the two warps', as arrays of bytes."""
    paths = {Path(name) for name in (*forward, *inverse)}
    kinds = {"affine": "0GenericAffine.mat", "inverse_warp": "1InverseWarp.nii.gz"}
    kinds["warp"] = "1Warp.nii.gz"
    return {
        kind: np.frombuffer(path.read_bytes(), np.uint8)
        for kind, ending in kinds.items()
        for path in paths
        if path.name.endswith(ending)
    }


TASKS: dict[str, Callable[..., Arrays]] = {
    "register": register,
    "register_rigidly": register_rigidly,
}

if __name__ == "__main__":
    answer(TASKS)
