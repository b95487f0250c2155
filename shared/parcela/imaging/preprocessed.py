"""A preprocessed scan: what the preprocessing leaves for the next stage, in memory or as files between containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from parcela.files import write_text
from parcela.imaging.field_of_view import Cut, beyond
from parcela.imaging.geometry import Shape
from parcela.imaging.standard_space import StandardSpace
from parcela.imaging.tissues import Shares
from parcela.imaging.trail import GeometryTrail, Grid
from parcela.record import Document

MODEL_SHAPE: Shape = (91, 122, 123)  # voxels of the grid that the networks see
IMAGE, MASK, TRAIL, RECORD = "image.npy", "brain_mask.npy", "trail.json", "preprocessed.json"
TISSUES = "tissues.npy"  # on request

Voxel = TypeVar("Voxel", bound=np.generic)


class PreprocessingRecord(Document):
    """How a scan was preprocessed.

    Attributes:
        seconds: per step, in order.
        warnings: what a user should know, one sentence each.
        cuts: where the field of view cuts the brain; nothing beyond is in the scan.
        colin27: where the brain lies in the atlas's own space, where that was asked for.
        software, parameters: what the manifest shall say of how it was made, by what else than its own process.
    """

    seconds: dict[str, float]
    warnings: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()
    colin27: StandardSpace | None = None
    software: Mapping[str, str] = {}
    parameters: Mapping[str, Any] = {}


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """A scan on the grid that the networks see.

    Attributes:
        image: ``MODEL_SHAPE``, float32 in [0, 1], RAS+; beyond a cut it is Colin27's (``in_view`` leaves that out).
        brain_mask: (X, Y, Z) uint8 on the scan's own grid.
        trail: how to get back.
        record: how it was made.
        tissues: (3, X, Y, Z) shares on the scan's own grid, see ``parcela.imaging.tissues``, where they were asked for.
    """

    image: NDArray[np.float32]
    brain_mask: NDArray[np.uint8]
    trail: GeometryTrail
    record: PreprocessingRecord
    tissues: Shares | None = None

    def in_view(self, array: NDArray[Voxel], grid: Grid) -> NDArray[Voxel]:
        """An array on a grid of this scan's world, (X, Y, Z), with 0 beyond what the field of view cuts off."""
        if not self.record.cuts:
            return array
        outside = beyond(self.record.cuts, grid.shape, grid.affine)
        return np.where(outside, array.dtype.type(0), array)

    def save(self, folder: Path) -> None:
        """Write it into an existing folder, the record last."""
        np.save(folder / IMAGE, self.image)
        np.save(folder / MASK, self.brain_mask)
        if self.tissues is not None:
            np.save(folder / TISSUES, self.tissues)
        write_text(folder / TRAIL, self.trail.to_json())
        write_text(folder / RECORD, self.record.to_json())

    @classmethod
    def load(cls, folder: Path) -> Preprocessed:
        """Read what ``save`` wrote.

        Raises:
            OSError: a file is missing. BadRecord, ValueError: one is damaged.
        """
        tissues = folder / TISSUES
        return cls(
            image=np.load(folder / IMAGE, allow_pickle=False),
            brain_mask=np.load(folder / MASK, allow_pickle=False),
            trail=GeometryTrail.from_json((folder / TRAIL).read_bytes()),
            record=PreprocessingRecord.from_json((folder / RECORD).read_bytes()),
            tissues=np.load(tissues, allow_pickle=False) if tissues.exists() else None,
        )
