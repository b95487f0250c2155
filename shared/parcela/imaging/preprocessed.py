"""A preprocessed scan: what the preprocessing leaves for the next stage, in memory or as files between containers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.files import write_text
from parcela.imaging.geometry import Shape
from parcela.imaging.trail import GeometryTrail

MODEL_SHAPE: Shape = (91, 122, 123)  # voxels of the grid that the networks see
IMAGE, MASK, TRAIL, RECORD = "image.npy", "brain_mask.npy", "trail.json", "preprocessed.json"


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """A scan on the grid that the networks see.

    Attributes:
        image: ``MODEL_SHAPE``, float32 in [0, 1], RAS+.
        brain_mask: (X, Y, Z) uint8 on the scan's own grid.
        trail: how to get back.
        seconds: per step, in order.
        warnings: what a user should know, one sentence each.
        software, parameters: what the manifest shall say of how it was made, where that was another process.
    """

    image: NDArray[np.float32]
    brain_mask: NDArray[np.uint8]
    trail: GeometryTrail
    seconds: dict[str, float]
    warnings: tuple[str, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it into an existing folder, the record last."""
        np.save(folder / IMAGE, self.image)
        np.save(folder / MASK, self.brain_mask)
        write_text(folder / TRAIL, self.trail.to_json())
        record = {
            "seconds": self.seconds,
            "warnings": self.warnings,
            "software": dict(self.software),
            "parameters": dict(self.parameters),
        }
        write_text(folder / RECORD, json.dumps(record))

    @classmethod
    def load(cls, folder: Path) -> Preprocessed:
        """Read what ``save`` wrote."""
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return cls(
            image=np.load(folder / IMAGE, allow_pickle=False),
            brain_mask=np.load(folder / MASK, allow_pickle=False),
            trail=GeometryTrail.from_json((folder / TRAIL).read_text(encoding="utf-8")),
            seconds=record["seconds"],
            warnings=tuple(record["warnings"]),
            software=record["software"],
            parameters=record["parameters"],
        )
