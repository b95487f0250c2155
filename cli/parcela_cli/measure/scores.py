"""A label map on another grid by the networks' scores: each voxel takes the class whose mixed score is highest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT
from parcela.errors import BadRequest, BadScan
from parcela.imaging.geometry import Affine, Geometry
from parcela.imaging.to_scan import Offsets, Rows, labels_on_scan, linear_weights
from parcela.imaging.trail import GeometryTrail, Grid
from parcela_cli.measure.label_maps import LabelMap
from parcela_cli.measure.second_image import grid_of, read_image

CHUNK = 20_000  # voxels whose 117 scores are mixed at a time


def map_by_scores(path: Path, target: Geometry, motion: Affine | None = None) -> LabelMap:
    """The map that the networks' scores make on a grid, as a prediction makes its own on the scan's.

    Args:
        path: ``…_probseg.nii.gz`` of a bundle.
        target: the grid.
        motion: (4, 4), from the target's world (RAS+ mm) to that of the scores, where they are not the same.

    Raises:
        BadScan: the file cannot be read. BadRequest: it does not hold 117 classes.
    """
    image = read_image(path)
    if image.shape[3:] != (CLASS_COUNT,):
        raise BadRequest(
            f"{path}: not the scores of AAL's {CLASS_COUNT} classes (its shape is {image.shape}): "
            "give the …_probseg.nii.gz that --probabilities wrote"
        )
    scores, grid = _stored(path, image), grid_of(image)
    placed = target.affine if motion is None else motion @ target.affine
    trail = GeometryTrail(
        scan=Grid(shape=target.shape, affine=placed),
        model=Grid(shape=grid.shape, affine=grid.affine),
        removed_origin_mm=(0.0, 0.0, 0.0),
        steps=(),
    )
    table = scores.reshape(-1, CLASS_COUNT)

    def mixed_class(rows: Rows, offsets: Offsets) -> NDArray[np.uint8]:
        weights = linear_weights(offsets.astype(np.float32))
        parts = [slice(first, first + CHUNK) for first in range(0, len(rows), CHUNK)]
        chosen = [_highest(table, rows[part], weights[part]) for part in parts]
        return np.concatenate([np.empty(0, np.uint8), *chosen])

    labels = labels_on_scan(scores.argmax(-1).astype(np.uint8), trail, mixed_class)
    return LabelMap(labels.astype(np.uint16), target)


def _stored(path: Path, image: SpatialImage) -> NDArray[Any]:
    """(I, J, K, C) as stored: one factor for all changes no ranking, and 8 bits are a quarter of the memory."""
    data = image.dataobj
    try:
        stored = data.get_unscaled() if isinstance(data, ArrayProxy) else np.asarray(data)
    except (OSError, ValueError, EOFError) as error:
        raise BadScan(f"{path}: damaged or truncated ({error}): copy or export it again") from error
    return np.ascontiguousarray(stored)


def _highest(table: NDArray[Any], rows: Rows, weights: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The class with the highest mean, (m,), of eight neighbours, (m, 8) rows of the scores with their weights."""
    mixed = np.zeros((len(rows), table.shape[1]), np.float32)
    for corner in range(rows.shape[1]):
        mixed += weights[:, corner, None] * table[rows[:, corner]]
    highest: NDArray[np.uint8] = mixed.argmax(1).astype(np.uint8)
    return highest
