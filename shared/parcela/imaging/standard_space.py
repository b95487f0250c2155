"""An affine way from a scan to a template's space, and what follows from it: a map there, a file, the head's size.

ITK counts in LPS+ (x to the left, y to the back), Parcela in RAS+.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from parcela.imaging.geometry import Affine
from parcela.imaging.trail import AffineField, GeometryTrail, Grid
from parcela.record import Record

COLIN27 = "Colin27"
# What FreeSurfer divides by the determinant of its way to MNI305, the space that Colin27 was brought to: the volume
# that fitted intracranial volumes drawn by hand best (https://surfer.nmr.mgh.harvard.edu/fswiki/eTIV).
MNI305_MM3 = 1_948_106.0
LPS = np.array([-1.0, -1.0, 1.0])  # RAS+ to LPS+ and back


class StandardSpace(Record):
    """A template and where a scan lies in it.

    Attributes:
        name: of the template, letters and digits, as file names have it.
        grid: the template's.
        to_template: (4, 4), the scan's world to the template's, RAS+ mm.
    """

    name: str
    grid: Grid
    to_template: AffineField

    def trail(self, trail: GeometryTrail) -> GeometryTrail:
        """The way from the model's grid to the template's, as if the template were a scan of this head."""
        in_scan = np.linalg.inv(self.to_template) @ self.grid.affine
        return trail.model_copy(update={"scan": Grid(shape=self.grid.shape, affine=in_scan)})


def etiv_mm3(to_colin27: Affine) -> float:
    """Estimated total intracranial volume: MNI305's, scaled as an affine registration scales the scan's brain.

    Buckner 2004, doi:10.1016/j.neuroimage.2004.06.018, who registers the whole head.

    Args:
        to_colin27: (4, 4), the scan's world to that of Colin27, which lies in MNI305's space.
    """
    return MNI305_MM3 / abs(float(np.linalg.det(to_colin27[:3, :3])))


def affine_name(space: str) -> str:
    """The fixed name of the affine that brings a template's images to the scan, and so the scan's points to it."""
    return f"from-{space}_to-T1w_mode-image_desc-affine_xfm.mat"


def warp_names(space: str) -> tuple[str, str]:
    """The fixed names of what brings a template's images to the scan, affine and warp in one, and of the way back."""
    return (
        f"from-{space}_to-T1w_mode-image_xfm.nii.gz",
        f"from-T1w_to-{space}_mode-image_xfm.nii.gz",
    )


def map_name(space: str) -> str:
    """The fixed name of the label map on a template's grid."""
    return f"space-{space}_dseg.nii.gz"


def affine_of_itk(numbers: NDArray[np.float64], centre: NDArray[np.float64]) -> Affine:
    """(4, 4) in RAS+ of ITK's A (p - c) + c + t in LPS+: twelve numbers (A by rows, then t) and the centre c."""
    matrix = np.reshape(numbers[:9], (3, 3))
    affine = np.eye(4)
    affine[:3, :3] = matrix * np.outer(LPS, LPS)
    affine[:3, 3] = LPS * (numbers[9:] + centre - matrix @ centre)
    return affine


def itk_affine_file(affine: Affine) -> bytes:
    """An affine in RAS+, (4, 4), as ITK's binary file (``.mat``); its centre is the origin."""
    matrix = affine[:3, :3] * np.outer(LPS, LPS)
    numbers = np.concatenate([matrix.ravel(), LPS * affine[:3, 3]])
    stream = BytesIO()
    parts = {"AffineTransform_double_3_3": numbers[:, None], "fixed": np.zeros((3, 1))}
    savemat(stream, parts, format="4")
    return stream.getvalue()
