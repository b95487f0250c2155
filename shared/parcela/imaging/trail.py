"""The geometry trail: what undoing the preprocessing needs, as plain JSON.

Spacing, orientation, crop and resize compose to one affine map from the scan's voxels to the model's. The trail
keeps the two ends, so that it is inverted once, at the end, instead of undoing each step on labels.
It travels between containers, and ``parcela predict`` uses the same one: one code path.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product

import numpy as np

from parcela.imaging.geometry import Affine, Shape

TRAIL_VERSION = 1


@dataclass(frozen=True, eq=False)
class GeometryTrail:
    """From the scan's grid to the model's grid and back.

    Attributes:
        scan_shape, scan_affine: the grid of the scan as received.
        model_shape, model_affine: the grid the networks see, in the *scan's* world (before the origin was moved).
        removed_origin_mm: the world origin that step 8 set to zero.
        steps: what was done, in order, for the record.
    """

    scan_shape: Shape
    scan_affine: Affine
    model_shape: Shape
    model_affine: Affine
    removed_origin_mm: tuple[float, float, float]
    steps: tuple[str, ...]

    def scan_to_model(self) -> Affine:
        """(4, 4), scan voxel index to model voxel index."""
        return np.linalg.inv(self.model_affine) @ self.scan_affine

    def model_to_scan(self) -> Affine:
        """(4, 4), model voxel index to scan voxel index."""
        return np.linalg.inv(self.scan_affine) @ self.model_affine

    def reached_box(self) -> tuple[slice, slice, slice]:
        """The part of the scan's grid that the model's grid, with half a voxel around, can reach."""
        edges = [(-0.5, n - 0.5) for n in self.model_shape]
        matrix = self.model_to_scan()
        reached = np.asarray(list(product(*edges))) @ matrix[:3, :3].T + matrix[:3, 3]
        low = np.clip(np.ceil(reached.min(0) - 1e-6), 0, self.scan_shape).astype(int)
        high = np.clip(np.floor(reached.max(0) + 1e-6) + 1, low, self.scan_shape).astype(int)
        x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return x, y, z

    def to_json(self) -> str:
        """The trail as JSON; floats in full, so that it reads back equal."""
        return json.dumps(
            {
                "version": TRAIL_VERSION,
                "scan": {"shape": self.scan_shape, "affine": self.scan_affine.tolist()},
                "model": {"shape": self.model_shape, "affine": self.model_affine.tolist()},
                "removed_origin_mm": self.removed_origin_mm,
                "steps": self.steps,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> GeometryTrail:
        """Read what ``to_json`` wrote. Raises ValueError for another version, KeyError for a missing field."""
        record = json.loads(text)
        if record["version"] != TRAIL_VERSION:
            raise ValueError(
                f"geometry trail of version {record['version']}; this is {TRAIL_VERSION}"
            )
        return cls(
            scan_shape=_shape(record["scan"]["shape"]),
            scan_affine=np.asarray(record["scan"]["affine"], np.float64),
            model_shape=_shape(record["model"]["shape"]),
            model_affine=np.asarray(record["model"]["affine"], np.float64),
            removed_origin_mm=_point(record["removed_origin_mm"]),
            steps=tuple(record["steps"]),
        )


def _shape(values: list[int]) -> Shape:
    x, y, z = values
    return int(x), int(y), int(z)


def _point(values: list[float]) -> tuple[float, float, float]:
    x, y, z = values
    return float(x), float(y), float(z)
