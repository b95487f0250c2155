"""The geometry trail: what undoing the preprocessing needs, as plain JSON.

Spacing, orientation, crop and resize compose to one affine map from the scan's voxels to the model's. The trail
keeps the two ends, so that it is inverted once, at the end, instead of undoing each step on labels.
It travels between containers, and ``parcela predict`` uses the same one: one code path.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import PlainValidator

from parcela.imaging.geometry import Affine, Shape
from parcela.record import Document, Record


def _affine(value: object) -> Affine:
    affine = np.asarray(value, np.float64)
    if affine.shape != (4, 4):
        raise ValueError(f"an affine has four rows of four, not {affine.shape}")
    return affine


AffineField = Annotated[Affine, PlainValidator(_affine)]


class Grid(Record):
    """Where voxels lie: so many along each axis, and (4, 4) from voxel index to world mm (RAS+)."""

    shape: Shape
    affine: AffineField


class GeometryTrail(Document):
    """From the scan's grid to the model's grid and back.

    Attributes:
        scan: the grid of the scan as received.
        model: the grid the networks see, in the *scan's* world (before the origin was moved).
        removed_origin_mm: the world origin that step 8 set to zero.
        steps: what was done, in order, for the record.
    """

    version: Literal[1] = 1
    scan: Grid
    model: Grid
    removed_origin_mm: tuple[float, float, float]
    steps: tuple[str, ...]

    @classmethod
    def unmoved(cls, shape: Shape, affine: Affine) -> Self:
        """The trail of a scan that is on the model's grid already."""
        grid = Grid(shape=shape, affine=affine)
        return cls(scan=grid, model=grid, removed_origin_mm=(0.0, 0.0, 0.0), steps=())

    def scan_to_model(self) -> Affine:
        """(4, 4), scan voxel index to model voxel index."""
        return np.linalg.inv(self.model.affine) @ self.scan.affine

    def model_to_scan(self) -> Affine:
        """(4, 4), model voxel index to scan voxel index."""
        return np.linalg.inv(self.scan.affine) @ self.model.affine
