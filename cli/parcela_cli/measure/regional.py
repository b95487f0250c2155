"""The values of a three-dimensional image in each region: always 116 rows, in the order of the ids."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT, REGION_COUNT, regions
from parcela.imaging.geometry import Geometry
from parcela_cli.measure.label_maps import LabelMap

PERCENTILES = (5, 25, 75, 95)
COLUMNS = (
    *("index", "name", "hemisphere", "voxels", "coverage"),
    *("mean", "sd", "p05", "p25", "median", "p75", "p95"),
)


def regional_values(
    label_map: LabelMap, image: NDArray[np.float64], grid: Geometry
) -> pd.DataFrame:
    """An image's values in each region, measured on the image's own grid.

    The map goes to the image's grid by nearest neighbour; the image is never interpolated. Voxels that are NaN or
    infinite count for nothing.

    Args:
        label_map: in Parcela's ids.
        image: (X, Y, Z).
        grid: the image's.

    Returns:
        116 rows of ``COLUMNS``: ``voxels`` of the image in the region; ``coverage``, the share of the region's volume
        that lies in the image's field of view, where the image has a finite value; the mean, the standard deviation
        (n - 1), the median and percentiles. NaN in a region without a voxel.
    """
    labels = label_map.on_grid(grid).labels
    counted = np.isfinite(image) & (labels > 0)
    values = pd.Series(image[counted]).groupby(labels[counted])
    table = pd.DataFrame(
        {
            "voxels": values.size(),
            "mean": values.mean(),
            "sd": values.std(),
            "median": values.median(),
            **{f"p{p:02}": values.quantile(p / 100) for p in PERCENTILES},
        }
    ).reindex(range(1, REGION_COUNT + 1))
    table["voxels"] = table["voxels"].fillna(0).astype(int)
    table["index"] = table.index
    table["name"] = [region.name for region in regions()]
    table["hemisphere"] = [region.hemisphere for region in regions()]
    table["coverage"] = _coverage(label_map, image, grid)
    return table[list(COLUMNS)]


def _coverage(
    label_map: LabelMap, image: NDArray[np.float64], grid: Geometry
) -> NDArray[np.float64]:
    """(116,): the share of each region's voxels on the map's own grid that the image has a value for."""
    places = np.argwhere(label_map.labels)
    to_image = np.linalg.inv(grid.affine) @ label_map.geometry.affine
    nearest = np.rint(places @ to_image[:3, :3].T + to_image[:3, 3]).astype(np.int64)
    in_view: NDArray[np.bool_] = np.all((nearest >= 0) & (nearest < grid.shape), axis=1)
    in_view[in_view] = np.isfinite(image[tuple(nearest[in_view].T)])
    ids = label_map.labels[tuple(places.T)]
    whole = np.bincount(ids, minlength=CLASS_COUNT)[1:]
    seen = np.bincount(ids[in_view], minlength=CLASS_COUNT)[1:]
    with np.errstate(invalid="ignore"):
        return np.asarray(seen / whole, np.float64)
