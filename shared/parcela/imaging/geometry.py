"""Where the voxels of a volume lie in the world: shape, affine, and the raw header fields that say so.

World coordinates are scanner millimetres, RAS+ (x to the right, y to the front, z up). Which of a header's affines
counts is nibabel's rule, used everywhere: the sform when its code says so, else the qform, else the spacing alone, with
the first axis taken to run to the left. Two things differ: an sform that tells of no place gives way to a qform, and a
header in metres or micrometres is read so, where that makes a head of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Header, xform_codes
from nibabel.quaternions import fillpositive, quat2mat
from numpy.typing import NDArray

Affine = NDArray[np.float64]
Shape = tuple[int, int, int]
Box = tuple[slice, slice, slice]
OTHER_UNITS = {
    1: ("m", 1000.0),
    3: ("µm", 0.001),
}  # by NIfTI's code: what it is called, what it is in mm
HEAD_MM = (50.0, 1000.0)  # the longest side of a field of view with a head in it
# Between sform and qform: below it, axes near 45° may be named differently
CONTRADICTION_DEGREES = 10.0


def header_affine(header: Nifti1Header) -> Affine:
    """What a header says, (4, 4), voxel index to world mm (RAS+); nothing checked.

    In the header's own unit, unless it is another than the millimetre and the field of view is a head's only in it.

    As nibabel does when it opens a file, a qfac (``pixdim[0]``) other than -1 counts as 1 (the standard says so of 0),
    and a code that NIfTI does not know counts as 0.

    Raises:
        HeaderDataError, ValueError: the qform counts, and its quaternion is none.
    """
    affine = _in_own_unit(header)
    affine[:3] *= unit_mm(header)
    return affine


def unit_mm(header: Nifti1Header) -> float:
    """What one of the header's units of length is in mm, as it is read; raises as ``header_affine`` does."""
    _, factor = OTHER_UNITS.get(int(header["xyzt_units"]) & 7, ("", 1.0))
    if factor == 1:
        return factor
    spacing = np.linalg.norm(_in_own_unit(header)[:3, :3], axis=0)
    side = float(np.max(spacing * header["dim"][1:4]))
    low, high = HEAD_MM
    return factor if low <= side * factor <= high and not low <= side <= high else 1.0


def _in_own_unit(header: Nifti1Header) -> Affine:
    read = header.copy()
    if read["pixdim"][0] != -1:
        read["pixdim"][0] = 1
    read["qform_code"] = _code(header, "qform_code")
    read["sform_code"] = 0 if sform_void(header) else _code(header, "sform_code")
    return np.array(read.get_best_affine(), np.float64)


def sform_counts(header: Nifti1Header) -> bool:
    """Whether the sform says where the voxels lie, so that neither qform nor pixdim has a part in it."""
    return _code(header, "sform_code") != 0 and not sform_void(header)


def sform_void(header: Nifti1Header) -> bool:
    """Whether the sform is set but tells of no place (all 0, say), and a qform stands beside it."""
    if _code(header, "sform_code") == 0 or _code(header, "qform_code") == 0:
        return False
    axes = np.asarray(header.get_sform(), np.float64)
    return not np.isfinite(axes).all() or np.linalg.matrix_rank(axes[:3, :3]) < 3


def declared_unit(header: Nifti1Header) -> str:
    """The header's unit of length where it is another than the millimetre, such as ``µm``; else empty."""
    return OTHER_UNITS.get(int(header["xyzt_units"]) & 7, ("", 1.0))[0]


def nearest_rotation(affine: Affine) -> Affine:
    """The directions of an affine's axes, (3, 3), made orthonormal: a rotation, or a reflection where it has one.

    The polar decomposition gives the nearest: Higham 1986, doi:10.1137/0907079.
    """
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    u, _, vt = np.linalg.svd(axes)
    return np.asarray(u @ vt, np.float64)


def nearest_axes(rotation: Affine) -> Affine:
    """The permutation with signs, (3, 3), that is nearest to orthonormal axes: the grid without its tilt."""
    signed, affine = np.zeros((3, 3)), np.eye(4)
    affine[:3, :3] = rotation
    for axis, (world, sign) in enumerate(nib.io_orientation(affine)):
        signed[int(world), axis] = sign
    return signed


def rotation_degrees(rotation: Affine) -> float:
    """The angle of a rotation, (3, 3), in degrees, 0 to 180."""
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))


def box_of(mask: NDArray[Any]) -> Box:
    """The box around what is not 0 in a mask, (X, Y, Z), which is not empty."""
    occupied = mask != 0
    planes = (occupied.any(axis=(1, 2)), occupied.any(axis=(0, 2)), occupied.any(axis=(0, 1)))
    x, y, z = (slice(int(p.argmax()), len(p) - int(p[::-1].argmax())) for p in planes)
    return x, y, z


def _sform_axes(header: Nifti1Header) -> Affine | None:
    """The sform's axes, (3, 3), orthonormal; None where it tells of no place."""
    sform = np.asarray(header.get_sform(), np.float64)
    if sform_void(header) or np.linalg.norm(sform[:3, :3], axis=0).min() == 0:
        return None
    return nearest_rotation(sform)


def _qform_axes(header: Nifti1Header) -> Affine | None:
    """The qform's axes, (3, 3); None where its quaternion is no rotation."""
    parts = [float(header[f"quatern_{part}"]) for part in "bcd"]
    if not np.isfinite(parts).all() or np.square(parts).sum() > 1:
        return None
    handedness = -1.0 if header["pixdim"][0] == -1 else 1.0
    return np.asarray(quat2mat(fillpositive(parts)), np.float64) * [1.0, 1.0, handedness]


def _code(header: Nifti1Header, field: str) -> int:
    code = int(header[field])
    return code if code in xform_codes.value_set() else 0


@dataclass(frozen=True, eq=False)
class Geometry:
    """The grid of a volume, as a value.

    Attributes:
        shape: (X, Y, Z) voxels.
        affine: (4, 4), voxel index to world mm (RAS+).
        header: the NIfTI header the grid was read from; its geometry fields are copied raw into every output.
    """

    shape: Shape
    affine: Affine
    header: Nifti1Header

    @classmethod
    def from_header(cls, header: Nifti1Header) -> Geometry:
        """The grid that a validated NIfTI-1 or NIfTI-2 header describes (axes beyond the third dropped)."""
        x, y, z = (int(n) for n in header["dim"][1:4])
        return cls((x, y, z), header_affine(header), header.copy())

    @classmethod
    def of_grid(cls, shape: Shape, affine: Affine) -> Geometry:
        """A grid of our own making, such as a phantom's or the model's, with a NIfTI-1 header of its own.

        The header says the affine in its sform and, when there is no shear, in its qform.
        """
        image = nib.Nifti1Image(np.zeros(shape, np.uint8), affine)
        image.header.set_xyzt_units("mm")
        return cls(shape, np.asarray(affine, np.float64), image.header)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along each axis, in mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm³ (the determinant: right for sheared grids too)."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def axcodes(self) -> str:
        """Nearest anatomical axes of the three array axes, such as ``RAS`` or ``PSR``."""
        return "".join(nib.aff2axcodes(self.affine))

    @property
    def orientation_known(self) -> bool:
        """False when neither sform nor qform is set: left and right are then a guess."""
        return _code(self.header, "sform_code") != 0 or _code(self.header, "qform_code") != 0

    @property
    def orientation_contradicted(self) -> bool:
        """True when sform and qform are both set and differ in handedness or in the axes they are nearest to.

        One of the two is wrong then, and nothing in the header says which. Places that differ by a shift alone, or by
        a turn of less than 10°, are no contradiction.
        """
        if _code(self.header, "sform_code") == 0 or _code(self.header, "qform_code") == 0:
            return False
        sform, qform = _sform_axes(self.header), _qform_axes(self.header)
        if sform is None or qform is None:
            return False
        if np.linalg.det(sform) * np.linalg.det(qform) < 0:
            return True
        if (nearest_axes(sform) == nearest_axes(qform)).all():
            return False
        return rotation_degrees(sform @ qform.T) > CONTRADICTION_DEGREES

    @property
    def sides_known(self) -> bool:
        """Whether the header says, without contradicting itself, which side is left."""
        return self.orientation_known and not self.orientation_contradicted

    @property
    def tilt_degrees(self) -> float:
        """How far the grid is turned from the world's axes: the angle between it and its nearest axes."""
        axes = nearest_rotation(self.affine)
        return rotation_degrees(axes @ nearest_axes(axes).T)

    @property
    def sheared(self) -> bool:
        """True when the array axes are not at right angles in the world (cosines over 1e-3)."""
        unit = self.affine[:3, :3] / np.asarray(self.spacing_mm)
        return bool(np.abs(unit.T @ unit - np.eye(3)).max() > 1e-3)

    def orthonormal_affine(self) -> Affine:
        """The nearest affine without shear, (4, 4), same spacing and same centre of the grid.

        ITK refuses a direction that is not orthonormal, and reads headers by other rules than nibabel: what ANTs
        and ROBEX see is an array with this affine, and what they return comes back by voxel index.
        """
        spacing = np.asarray(self.spacing_mm)
        out = np.eye(4)
        out[:3, :3] = nearest_rotation(self.affine) * spacing
        centre = (np.asarray(self.shape) - 1) / 2
        out[:3, 3] = self.affine[:3, :3] @ centre + self.affine[:3, 3] - out[:3, :3] @ centre
        return out

    def itk_frame(self) -> tuple[list[float], list[float], Affine]:
        """Origin, spacing and direction of ``orthonormal_affine`` as ITK wants them: in LPS+ (x, y negated)."""
        lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.orthonormal_affine()
        spacing = np.asarray(self.spacing_mm)
        return lps[:3, 3].tolist(), spacing.tolist(), lps[:3, :3] / spacing
