"""Colin27's brain and AAL's labels, sampled onto grids of every awkward kind, and written to NIfTI as scanners do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.aal import COLIN27_BRAIN, atlas_labels
from parcela.imaging.volume import read_volume

FIELD_MM = (176.0, 212.0, 182.0)  # holds every region, turned or not: ``sample`` checks
CENTRE_MM = np.array([0.0, -18.0, 6.0])


@dataclass(frozen=True)
class Phantom:
    """A grid, and what its header says about it.

    Attributes:
        axes: nearest anatomical axes of the array.
        spacing_mm: voxel size along each array axis.
        degrees: rotation about x, y and z, after which the grid is oblique.
        shear: added to the affine, as off-diagonal terms of the direction.
        header: which header tells the affine: ``both``, ``conflict`` (sform right, qform 30 mm off, codes 2 and 1),
            ``none`` (codes 0: nibabel reads LAS about the centre).
        size: of the head, with its voxels: on half a head the chain's steps, at 1 mm, take an eighth of the time.
    """

    name: str
    axes: str = "RAS"
    spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0)
    degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shear: float = 0.0
    header: str = "both"
    size: float = 1.0

    def affine(self) -> tuple[NDArray[np.float64], tuple[int, ...]]:
        """Voxel index to world mm, (4, 4), and the shape."""
        turn = nib.orientations.axcodes2ornt(self.axes)  # array axis -> world axis and sign
        direction = np.zeros((3, 3))
        for axis, (world, sign) in enumerate(turn):
            direction[int(world), axis] = sign
        field = np.asarray(FIELD_MM)[turn[:, 0].astype(int)]
        shape = np.ceil(field / self.spacing_mm).astype(int)
        affine = np.eye(4)
        shear = np.eye(3) + self.shear * np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]])
        affine[:3, :3] = shear @ _rotation(self.degrees) @ direction * self.spacing_mm
        affine[:3, 3] = CENTRE_MM - affine[:3, :3] @ ((shape - 1) / 2)
        if self.header == "none":  # what nibabel takes such a header to mean
            affine = np.diag([-self.spacing_mm[0], *self.spacing_mm[1:], 1.0])
            affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)
        affine[:3] *= self.size
        return affine, tuple(int(n) for n in shape)


PHANTOMS = (
    Phantom("RAS"),
    Phantom("LAS", axes="LAS"),
    Phantom("LPS", axes="LPS"),
    Phantom("PSR", axes="PSR", spacing_mm=(1.6, 1.9, 1.4)),
    Phantom("oblique", degrees=(12.0, -9.0, 17.0)),
    Phantom("odd-sized", spacing_mm=(1.99, 2.01, 1.77)),
    Phantom("anisotropic", axes="LPS", spacing_mm=(0.5, 0.5, 3.0)),
    Phantom("sform-not-qform", header="conflict"),
    Phantom("sheared", shear=0.02),
    Phantom("no-codes", header="none"),
)


def _rotation(degrees: tuple[float, float, float]) -> NDArray[np.float64]:
    turned = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        i, j = [k for k in range(3) if k != axis]
        one = np.eye(3)
        one[i, i] = one[j, j] = np.cos(angle)
        one[i, j], one[j, i] = -np.sin(angle), np.sin(angle)
        turned = one @ turned
    return turned


def _out_of_step() -> NDArray[np.float64]:
    """Phantom world to Colin27's, (4, 4): turned by 3° and shrunk by 3 % about the centre.

    A grid of 0.5 mm in step with labels drawn at 1 mm would hold every label twice, and resampling it to 1 mm by linear
    interpolation would take the first of each pair: a shift of 0.25 mm that is the phantom's alone.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = 0.97 * _rotation((3.0, -3.0, 3.0))
    matrix[:3, 3] = CENTRE_MM - matrix[:3, :3] @ CENTRE_MM
    return matrix


@cache
def _colin() -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float64]]:
    labels, affine = atlas_labels()
    return read_volume(COLIN27_BRAIN).data, labels, affine


def sample(phantom: Phantom) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Colin27's brain (linear) and AAL's labels (nearest) on the phantom's grid, both (X, Y, Z).

    A grid whose header says nothing is filled where nibabel's reading of it lies, Colin27's centre on the grid's.
    """
    affine, shape = phantom.affine()
    affine[:3] /= phantom.size
    brain, labels, colin = _colin()
    if phantom.header == "none":
        affine = affine.copy()
        affine[:3, 3] += CENTRE_MM
    matrix = np.linalg.inv(colin) @ _out_of_step() @ affine
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), 0).reshape(3, -1)
    where = matrix[:3, :3] @ index + matrix[:3, 3:]
    image = ndimage.map_coordinates(brain, where, order=1).reshape(shape)
    truth = ndimage.map_coordinates(labels, where, order=0).reshape(shape)
    assert not truth[_faces(shape)].any(), "the phantom's field of view cuts a region"
    return image.astype(np.float32), truth.astype(np.uint8)


def _faces(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    faces = np.ones(shape, np.bool_)
    faces[1:-1, 1:-1, 1:-1] = False
    return faces


def write(phantom: Phantom, image: NDArray[np.float32], path: Path) -> Path:
    """The image as NIfTI with the phantom's header."""
    affine, _ = phantom.affine()
    nifti = nib.Nifti1Image(image, affine)
    header = nifti.header
    header.set_xyzt_units("mm")
    if phantom.header == "conflict":
        moved = affine.copy()
        moved[:3, 3] += (30.0, 0.0, 0.0)
        nifti.set_qform(moved, 1)
        nifti.set_sform(affine, 2)
    elif phantom.header == "none":
        nifti.set_sform(None, 0)
        nifti.set_qform(None, 0)
    else:
        nifti.set_sform(affine, 1)
        nifti.set_qform(affine, 0 if phantom.shear else 1)
    nib.save(nifti, path)
    return path
