"""What preparation leaves for training: one compressed file a subject."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Prepared:
    """One subject on the networks' grid: image in [0, 1], label ids 0–116, voxel-to-world (mm)."""

    image: NDArray[np.float16]
    label: NDArray[np.uint8]
    affine: NDArray[np.float64]

    def save(self, path: Path) -> None:
        """Write one compressed file, complete or not at all."""
        part = path.with_name(f".{path.stem}.part.npz")
        np.savez_compressed(part, image=self.image, label=self.label, affine=self.affine)
        part.replace(path)

    @staticmethod
    def load(path: Path) -> Prepared:
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            return Prepared(stored["image"], stored["label"], stored["affine"])
