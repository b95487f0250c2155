"""The second image registered to the scan by a rotation and a shift, and how far that can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.spatialimages import SpatialImage

from parcela.dicom.conversion import read_scan
from parcela.imaging.geometry import Affine, rotation_degrees
from parcela_cli.measure.second_image import grid_of, voxels_of
from parcela_cli.progress import Progress, warn


@dataclass(frozen=True, eq=False)
class Motion:
    """How the second image was moved onto the scan.

    Attributes:
        to_scan: (4, 4), from the image's world to the scan's, RAS+ mm.
        information: Mattes's mutual information of the two in nats, before and after; more is better.
        centre_mm: the middle of the image, in its own world.
    """

    to_scan: Affine
    information: tuple[float, float]
    centre_mm: tuple[float, float, float]

    @property
    def degrees(self) -> float:
        """The angle of the rotation."""
        return rotation_degrees(self.to_scan[:3, :3])

    @property
    def shift_mm(self) -> float:
        """How far the middle of the image moves."""
        centre = np.array(self.centre_mm)
        moved = self.to_scan[:3, :3] @ centre + self.to_scan[:3, 3]
        return float(np.linalg.norm(moved - centre))

    @property
    def sentence(self) -> str:
        """What was done, in words."""
        before, after = self.information
        return (
            f"registered: turned by {self.degrees:.1f}°, moved by {self.shift_mm:.1f} mm; "
            f"mutual information {before:.3f} before, {after:.3f} after"
        )


def register_to_scan(path: Path, image: SpatialImage, scan: Path) -> Motion:
    """Register the second image (a series by its mean over time) to the T1 scan, rigidly, by ANTs.

    Raises:
        BadScan: one of the two cannot be read. StepFailed: ANTs could not do it.
    """
    from parcela_labelling.register import register_rigidly

    fixed = read_scan(scan)
    voxels = voxels_of(path, image)
    moving = voxels.mean(axis=3) if voxels.ndim == 4 else voxels
    grid = grid_of(image)
    with Progress(str(path)) as progress:
        progress.step("registering")
        to_scan, information = register_rigidly(
            fixed.data, fixed.geometry, np.nan_to_num(moving).astype(np.float32), grid
        )
    x, y, z = grid.affine[:3, :3] @ ((np.array(grid.shape) - 1) / 2) + grid.affine[:3, 3]
    motion = Motion(to_scan, information, (float(x), float(y), float(z)))
    if information[1] <= information[0]:
        warn(
            "the registration made the two images no more alike: look at the result before using it"
        )
    return motion
