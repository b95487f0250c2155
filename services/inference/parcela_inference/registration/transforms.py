"""The mapping as files: both ways between the scan and Colin27, as ITK's displacement fields.

A transform that carries *images* from A to B is, as a function, one from points of B to points of A: for each voxel of
the result it says where to look. The names follow images, as BIDS does with ``mode-image``.
"""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import torch
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from parcela.atlas.colin27 import colin27
from parcela.imaging.geometry import Affine, Shape
from parcela.imaging.standard_space import COLIN27, LPS, warp_names
from parcela.imaging.trail import GeometryTrail
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import Mapping

COARSER = (2, 3)  # voxels of the model's grid, and of Colin27's: the fields are smooth


def transform_files(mapping: Mapping, trail: GeometryTrail) -> dict[str, bytes]:
    """What brings the atlas to the scan, and what brings the scan to the atlas; affine and warp in one.

    Args:
        mapping: from the model's grid to the atlas.
        trail: where the model's grid lies in the scan's world.
    """
    model, atlas, box = trail.model, colin27(), atlas_box()
    shape = np.array(model.shape)

    def to_atlas(index: NDArray[np.float64]) -> NDArray[np.float64]:
        places = torch.from_numpy((index + 0.5) / shape * 2 - 1).float()
        return np.asarray(apply_affine(atlas.affine, box.index(mapping(places)).numpy()))

    def to_scan(index: NDArray[np.float64]) -> NDArray[np.float64]:
        places = box.places(torch.from_numpy(index)).float()
        index = (mapping.back(places).numpy() + 1) / 2 * shape - 0.5
        return np.asarray(apply_affine(model.affine, index))

    of_atlas, of_scan = warp_names(COLIN27)
    i, j, k = atlas.labels.shape
    on_scan = _coarse(model.shape, model.affine, COARSER[0])
    on_atlas = _coarse((i, j, k), atlas.affine, COARSER[1])
    return {
        of_atlas: _file(to_atlas(on_scan[0]), *on_scan, model.affine),
        of_scan: _file(to_scan(on_atlas[0]), *on_atlas, atlas.affine),
    }


def _coarse(shape: Shape, affine: Affine, times: int) -> tuple[NDArray[np.float64], Affine]:
    """The voxels of a coarser grid over the same box, as indices of the finer one, (I, J, K, 3); its affine."""
    axes = [times * np.arange(-(-size // times)) + (times - 1) / 2 for size in shape]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    scaled = affine @ np.diag([times, times, times, 1.0])
    scaled[:3, 3] = apply_affine(affine, index[0, 0, 0])
    return index, scaled


def _file(
    targets: NDArray[np.float64], index: NDArray[np.float64], coarse: Affine, affine: Affine
) -> bytes:
    """Targets (I, J, K, 3) of a grid's voxels, both in RAS+ mm, as a field of vectors in ITK's LPS+."""
    vectors = (targets - apply_affine(affine, index)) * LPS
    image = nib.Nifti1Image(vectors[:, :, :, None].astype(np.float32), coarse)
    image.header.set_intent("vector")
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), mtime=0)
