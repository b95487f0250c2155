"""Transforms as ANTs writes them."""

from __future__ import annotations

import gzip
from io import BytesIO

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

GRID = np.diag([2.0, 3.0, 4.0, 1.0])
GRID[:3, 3] = (-20.0, -30.0, -40.0)
SHAPE = (21, 21, 21)


def affine_file(matrix: NDArray[np.float64], shift: list[float], centre: list[float]) -> bytes:
    """An ITK affine as ANTs writes it: y = M (x - c) + t + c, in LPS+."""
    file = BytesIO()
    numbers = np.concatenate([matrix.ravel(), shift])[:, None]
    fixed = np.array(centre)[:, None]
    savemat(file, {"AffineTransform_double_3_3": numbers, "fixed": fixed}, format="4")
    return file.getvalue()


def warp_file(vectors_lps_mm: NDArray[np.float32]) -> bytes:
    """A displacement field as ANTs writes it: (I, J, K, 1, 3), vectors in LPS+."""
    image = nib.Nifti1Image(vectors_lps_mm[:, :, :, None, :], GRID)
    image.header.set_intent("vector")
    return gzip.compress(image.to_bytes())
