"""The second image: any three- or four-dimensional image of the same head that nibabel can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError, SpatialImage

from parcela.errors import BadScan
from parcela.imaging.geometry import Affine, Geometry, Shape


def read_image(path: Path) -> SpatialImage:
    """Open an image (NIfTI, MGH and what else nibabel knows); its voxels are read when they are asked for.

    Raises:
        BadScan: it cannot be read, is not three- or four-dimensional, or its affine says of no place.
    """
    try:
        image = cast(SpatialImage, nib.load(path))
        shape, affine = tuple(image.shape), np.asarray(image.affine, np.float64)
    except FileNotFoundError as error:
        raise BadScan(f"{path}: no such file: check the path") from error
    except (ImageFileError, HeaderDataError, OSError, ValueError, EOFError) as error:
        raise BadScan(f"{path}: not an image that can be read ({error})") from error
    if len(shape) not in (3, 4) or 0 in shape:
        raise BadScan(f"{path}: has {len(shape)} dimensions {shape}: give a 3-D or a 4-D image")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise BadScan(
            f"{path}: its affine says of no place, so that no region can be found in it: "
            "export it again, or correct the header"
        )
    return image


def voxels_of(path: Path, image: SpatialImage) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The intensities, (X, Y, Z) or (X, Y, Z, T) float64.

    Raises:
        BadScan: the file is truncated or damaged.
    """
    try:
        return np.asarray(image.get_fdata(caching="unchanged"))
    except (OSError, ValueError, EOFError) as error:
        raise BadScan(f"{path}: damaged or truncated ({error}): copy or export it again") from error


def grid_of(image: SpatialImage) -> Geometry:
    """The grid of an image's first three axes; a NIfTI header's geometry is kept raw, another's made anew."""
    affine: Affine = np.asarray(image.affine, np.float64)
    x, y, z = image.shape[:3]
    shape: Shape = (int(x), int(y), int(z))
    if not isinstance(image.header, Nifti1Header):
        return Geometry.of_grid(shape, affine)
    header = image.header.copy()
    header["dim"] = (3, *shape, 1, 1, 1, 1)
    header["pixdim"][4:] = 0
    return Geometry(shape, affine, header)
