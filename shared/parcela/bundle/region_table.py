"""The regions of one label map in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from parcela.atlas.aal import Region, atlas_labels, regions
from parcela.atlas.counts import Counts, Floats, RegionCounts
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
    "atlas_asymmetry_index",
    "asymmetry_difference",
    "centroid_x_mm",
    "centroid_y_mm",
    "centroid_z_mm",
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
        atlas_asymmetry_index: the same of AAL itself on Colin27, whose sides were drawn on one asymmetric brain.
        centroid_mm: mean place of those voxels in the scan's world (RAS+); NaN without a voxel.
    """

    region: Region
    voxels: int
    volume_mm3: float
    asymmetry_index: float | None
    atlas_asymmetry_index: float | None
    centroid_mm: tuple[float, float, float]

    @property
    def asymmetry_difference(self) -> float | None:
        """What of the pair's asymmetry is not the atlas's own."""
        if self.asymmetry_index is None or self.atlas_asymmetry_index is None:
            return None
        return self.asymmetry_index - self.atlas_asymmetry_index


def region_table(counts: RegionCounts, places: Floats, geometry: Geometry) -> tuple[RegionRow, ...]:
    """All 116 regions in the order of their ids, those without a voxel too.

    Args:
        counts: of the finished label map.
        places: (116, 3) mean voxel index of each region, from ``mean_places``.
        geometry: the grid it lies on.
    """
    voxels, atlas = counts.by_class, _atlas_counts().by_class
    volumes_mm3 = counts.by_region * geometry.voxel_volume_mm3
    world_mm = places @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    return tuple(
        RegionRow(
            region,
            int(voxels[region.index]),
            float(volume_mm3),
            _pair_asymmetry(region, voxels),
            _pair_asymmetry(region, atlas),
            (float(x), float(y), float(z)),
        )
        for region, volume_mm3, (x, y, z) in zip(regions(), volumes_mm3, world_mm, strict=True)
    )


@cache
def _atlas_counts() -> RegionCounts:
    return RegionCounts.of(atlas_labels()[0])


def _pair_asymmetry(region: Region, voxels_by_id: Counts) -> float | None:
    if region.partner is None:
        return None
    left, right = sorted((region.index, region.partner))  # the left is the odd id, the lower
    return asymmetry_index(int(voxels_by_id[left]), int(voxels_by_id[right]))


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
        _number(row.atlas_asymmetry_index),
        _number(row.asymmetry_difference),
        *map(_number, row.centroid_mm),
    )


def _number(value: float | None) -> str:
    return MISSING if value is None or not np.isfinite(value) else f"{value:.9g}"
