"""An image's values by region: 116 rows whatever is missing, means as nilearn has them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiLabelsMasker

from parcela.imaging.geometry import Geometry
from parcela_cli.measure.label_maps import LabelMap
from parcela_cli.measure.regional import COLUMNS, regional_values

SHAPE = (16, 15, 14)


def blocks() -> LabelMap:
    """Ids 1 to 27 as blocks of 5³ voxels of 2 mm, in the corner of the grid."""
    labels = np.zeros(SHAPE, np.uint16)
    places = np.indices((3, 3, 3)).reshape(3, -1).T * 5
    for index, (x, y, z) in enumerate(places, start=1):
        labels[x : x + 5, y : y + 5, z : z + 5] = index
    return LabelMap(labels, Geometry.of_grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0])))


def random_image(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(2).normal(100, 15, shape)


def test_given_a_coarse_oblique_image_then_the_means_are_nilearns() -> None:
    affine = np.array(
        [[2.9, 0.3, 0.1, 0.7], [-0.3, 2.9, 0.2, 1.1], [0.1, -0.2, 3.1, 0.3], [0, 0, 0, 1]]
    )
    grid = Geometry.of_grid((10, 10, 9), affine)
    image = random_image(grid.shape)
    label_map = blocks()

    table = regional_values(label_map, image, grid)

    masker = NiftiLabelsMasker(
        nib.Nifti1Image(label_map.labels.astype(np.int16), label_map.geometry.affine),
        standardize=None,
        resampling_target="data",
    )
    expected = masker.fit_transform(nib.Nifti1Image(image, affine)).ravel()
    present = [
        int(value) for value in masker.region_ids_.values() if value not in ("background", 0)
    ]
    assert len(present) > 20
    assert table.loc[present, "mean"].to_numpy() == pytest.approx(expected, abs=1e-6)


def test_given_regions_that_the_map_or_the_image_lacks_then_there_are_116_rows_with_nothing_in_theirs() -> (
    None
):
    label_map = blocks()
    image = random_image(SHAPE)
    image[:5, :5, :5] = np.nan  # region 1
    table = regional_values(label_map, image, label_map.geometry)

    assert tuple(table.columns) == COLUMNS
    assert list(table["index"]) == list(range(1, 117))
    assert (table.loc[1, "voxels"], table.loc[1, "coverage"]) == (0, 0.0)
    assert np.isnan(table.loc[1, "mean"])
    assert (table.loc[2, "voxels"], table.loc[2, "coverage"]) == (5 * 5 * 4 + 25, 1.0)
    assert table.loc[116, "voxels"] == 0
    assert np.isnan(table.loc[116, ["coverage", "mean", "median"]].astype(float)).all()


def test_given_an_image_that_ends_in_a_region_then_the_coverage_says_so() -> None:
    label_map = blocks()
    half = Geometry.of_grid((16, 15, 7), label_map.geometry.affine)
    table = regional_values(label_map, random_image(half.shape), half)
    assert (table.loc[1, "coverage"], table.loc[2, "coverage"], table.loc[3, "coverage"]) == (
        1,
        0.4,
        0,
    )


def test_given_known_values_then_the_columns_are_what_numpy_says() -> None:
    label_map = blocks()
    image = random_image(SHAPE)
    row = regional_values(label_map, image, label_map.geometry).loc[14]
    values = image[label_map.labels == 14]
    expected = [values.mean(), values.std(ddof=1), *np.percentile(values, [5, 25, 50, 75, 95])]
    assert list(row[["mean", "sd", "p05", "p25", "median", "p75", "p95"]]) == pytest.approx(
        expected
    )
