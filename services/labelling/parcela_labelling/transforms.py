"""The transforms between a scan and Colin27, as ITK's files and as functions on points.

**Which way a transform goes.** A transform that carries *images* from A to B is, as a function, one from points of B to
points of A: it says for each voxel of the result where to look. The names follow images, as BIDS does with
``mode-image``: ``from-Colin27_to-T1w`` brings the atlas to the scan, and so maps the scan's points to the atlas's.

**Which axes.** ITK counts in LPS+ (x to the left, y to the back), Parcela and NIfTI in RAS+. The files are ITK's; the
functions here take and give RAS+ millimetres, and negate x and y on the way in and out.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.io import loadmat

from parcela.bundle.write import prefixed
from parcela.imaging.geometry import Affine
from parcela.imaging.standard_space import COLIN27, LPS, affine_name, affine_of_itk

Points = NDArray[np.float64]

AFFINE = affine_name(COLIN27)
WARP = "from-Colin27_to-T1w_mode-image_desc-warp_xfm.nii.gz"
INVERSE_WARP = "from-T1w_to-Colin27_mode-image_desc-warp_xfm.nii.gz"
FILES = (AFFINE, WARP, INVERSE_WARP)


@dataclass(frozen=True, eq=False)
class Field:
    """A displacement field with its grid, in ITK's millimetres.

    Attributes:
        vectors_mm: (I, J, K, 3) float32, in LPS+ mm.
        affine: (4, 4), voxel index to world mm (RAS+).
    """

    vectors_mm: NDArray[np.float32]
    affine: Affine

    def move(self, points_mm: Points) -> Points:
        """Points displaced by the field, (n, 3) in RAS+ mm; linear between voxels, nothing moves outside its grid."""
        to_index = np.linalg.inv(self.affine)
        index = (points_mm @ to_index[:3, :3].T + to_index[:3, 3]).T  # (3, n)
        lps = [
            ndimage.map_coordinates(self.vectors_mm[..., axis], index, order=1, mode="constant")
            for axis in range(3)
        ]
        moved: Points = points_mm + np.stack(lps, -1) * LPS
        return moved


@dataclass(frozen=True, eq=False)
class Transforms:
    """The way between a scan's world and Colin27's, as ANTs found it.

    Attributes:
        files: the bytes of ITK's files by their fixed names: an affine and, unless the registration was affine only,
            the warps of both directions.
    """

    files: dict[str, bytes]

    @classmethod
    def read(cls, folder: Path, name: str | None = None) -> Transforms:
        """Read the transforms of a bundle; ``name`` is the scan's, as in the files' names.

        Raises:
            FileNotFoundError: there is no affine in the folder.
        """
        files = {AFFINE: (folder / prefixed(AFFINE, name)).read_bytes()}
        for fixed_name in (WARP, INVERSE_WARP):
            if (path := folder / prefixed(fixed_name, name)).exists():
                files[fixed_name] = path.read_bytes()
        return cls(files)

    def scan_to_atlas(self, points_mm: Points) -> Points:
        """Points of the scan's world as points of Colin27's; (n, 3), both RAS+ mm."""
        moved = self.warp.move(points_mm) if self.warp is not None else points_mm
        return moved @ self.affine[:3, :3].T + self.affine[:3, 3]

    def atlas_to_scan(self, points_mm: Points) -> Points:
        """Points of Colin27's world as points of the scan's; (n, 3), both RAS+ mm."""
        back = np.linalg.inv(self.affine)
        moved = points_mm @ back[:3, :3].T + back[:3, 3]
        return self.inverse_warp.move(moved) if self.inverse_warp is not None else moved

    @cached_property
    def affine(self) -> Affine:
        """(4, 4), the affine part: the scan's world to Colin27's, RAS+ mm."""
        stored = loadmat(BytesIO(self.files[AFFINE]))
        (kind,) = [key for key in stored if "Transform" in key]
        return affine_of_itk(stored[kind].ravel().astype(np.float64), stored["fixed"].ravel())

    @cached_property
    def warp(self) -> Field | None:
        """The scan's points to where the affine takes over; None after an affine registration."""
        return self._field(WARP)

    @cached_property
    def inverse_warp(self) -> Field | None:
        """The way back of ``warp``."""
        return self._field(INVERSE_WARP)

    def _field(self, name: str) -> Field | None:
        if name not in self.files:
            return None
        image = nib.Nifti1Image.from_bytes(gzip.decompress(self.files[name]))
        vectors = np.asarray(image.dataobj, np.float32)[:, :, :, 0]  # (I, J, K, 1, 3) on disk
        return Field(vectors, np.asarray(image.affine, np.float64))
