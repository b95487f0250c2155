"""The regions of one label map in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parcela.atlas.aal import Region, regions
from parcela.atlas.counts import Counts, RegionCounts
from parcela.files import write_tsv
from parcela.imaging.geometry import Geometry

COLUMNS = (
    "index",
    "name",
    "color",
    "hemisphere",
    "lobe",
    "voxels",
    "volume_mm3",
    "asymmetry_index",
)
MISSING = "n/a"  # as BIDS writes it


@dataclass(frozen=True, slots=True)
class RegionRow:
    """One region as found in one label map.

    Attributes:
        region: which.
        voxels: how many voxels carry its id.
        volume_mm3: those voxels' volume on the scan's own grid.
        asymmetry_index: of the pair, the same on both sides; None on the midline and where both sides are absent.
    """

    region: Region
    voxels: int
    volume_mm3: float
    asymmetry_index: float | None


def region_table(counts: RegionCounts, geometry: Geometry) -> tuple[RegionRow, ...]:
    """All 116 regions in the order of their ids, those without a voxel too.

    Args:
        counts: of the finished label map.
        geometry: the grid it lies on.
    """
    voxel_volume_mm3 = geometry.voxel_volume_mm3
    return tuple(_row(region, counts.by_class, voxel_volume_mm3) for region in regions())


def _row(region: Region, voxels_by_id: Counts, voxel_volume_mm3: float) -> RegionRow:
    voxels = int(voxels_by_id[region.index])
    index = None
    if region.partner is not None:
        left, right = sorted((region.index, region.partner))  # the left is the odd id, the lower
        index = asymmetry_index(int(voxels_by_id[left]), int(voxels_by_id[right]))
    return RegionRow(region, voxels, voxels * voxel_volume_mm3, index)


def asymmetry_index(left: float, right: float) -> float | None:
    """(L − R) / (0.5 (L + R)): positive when the left is larger, from −2 to 2; None when both are 0."""
    return (left - right) / (0.5 * (left + right)) if left + right else None


def write_region_table(
    path: Path,
    rows: Sequence[RegionRow],
    extra: Mapping[str, Sequence[float | None]] | None = None,
) -> None:
    """Write the table as BIDS look-up (tab-separated, ``n/a`` for missing).

    Args:
        path: ``…_dseg.tsv``.
        rows: from ``region_table``.
        extra: further columns by name, a number or None for each row, such as the agreement of two networks.

    Raises:
        ValueError: an extra column has not one value for each row.
        OSError: the file cannot be written.
    """
    extra = extra or {}
    cells = [
        (*_cells(row), *map(_number, more))
        for row, *more in zip(rows, *extra.values(), strict=True)
    ]
    write_tsv(path, (*COLUMNS, *extra), cells)


def _cells(row: RegionRow) -> tuple[str, ...]:
    region = row.region
    return (
        str(region.index),
        region.name,
        region.color,
        region.hemisphere,
        region.lobe,
        str(row.voxels),
        _number(row.volume_mm3),
        _number(row.asymmetry_index),
    )


def _number(value: float | None) -> str:
    return MISSING if value is None or not np.isfinite(value) else f"{value:.9g}"
