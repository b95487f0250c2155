"""The table of regions: every region, its volume on the scan's own grid, its asymmetry."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from parcela.atlas.aal import REGION_COUNT, atlas_labels, flip_table, regions
from parcela.atlas.counts import RegionCounts, mean_places
from parcela.bundle.region_table import (
    RegionRow,
    asymmetry_index,
    region_table,
    write_region_table,
)
from parcela.imaging.geometry import Geometry

SHAPE = (7, 5, 6)
OBLIQUE = np.array([[0.88, -0.2, 0.9], [0.25, 0.93, -0.3], [-0.17, 0.2, 2.8]])
GEOMETRY = Geometry.of_grid(SHAPE, np.block([[OBLIQUE, np.ones((3, 1))], [np.eye(4)[3:]]]))


def some_labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 117, SHAPE).astype(np.uint8)


def rows_of(labels: np.ndarray, geometry: Geometry = GEOMETRY) -> tuple[RegionRow, ...]:
    return region_table(RegionCounts.of(labels), mean_places(labels), geometry)


def test_given_a_label_map_when_counted_then_volume_is_voxels_times_the_voxels_volume(
    tmp_path: Path,
) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0, :3], labels[1, 0, :1], labels[2, 0, :4] = 1, 2, 109
    write_region_table(tmp_path / "dseg.tsv", rows_of(labels))

    rows = read_table(tmp_path / "dseg.tsv")
    assert [int(row["index"]) for row in rows] == list(range(1, REGION_COUNT + 1))
    assert [row["name"] for row in rows] == [region.name for region in regions()]
    voxel_volume_mm3 = abs(np.linalg.det(OBLIQUE))
    for row in rows:
        assert int(row["voxels"]) == np.count_nonzero(labels == int(row["index"]))
        assert float(row["volume_mm3"]) == pytest.approx(
            int(row["voxels"]) * voxel_volume_mm3, rel=1e-6
        )
    assert [rows[i]["asymmetry_index"] for i in (0, 1, 2, 108)] == ["1", "1", "n/a", "n/a"]


def test_given_an_oblique_grid_then_centroids_are_means_of_world_coordinates(
    tmp_path: Path,
) -> None:
    labels = some_labels()
    labels[labels == 9] = 0
    write_region_table(tmp_path / "dseg.tsv", rows_of(labels))

    for row in read_table(tmp_path / "dseg.tsv"):
        given = [row[f"centroid_{axis}_mm"] for axis in "xyz"]
        voxels = np.argwhere(labels == int(row["index"]))
        if not voxels.size:
            assert given == ["n/a"] * 3
            continue
        world = voxels @ GEOMETRY.affine[:3, :3].T + GEOMETRY.affine[:3, 3]
        assert [float(number) for number in given] == pytest.approx(world.mean(0), rel=1e-6)


def test_given_the_atlas_itself_then_its_asymmetry_is_its_own_and_nothing_is_left() -> None:
    labels, affine = atlas_labels()
    rows = {row.region.name: row for row in rows_of(labels, Geometry.of_grid(labels.shape, affine))}

    assert rows["Frontal_Inf_Oper_L"].atlas_asymmetry_index == pytest.approx(-0.2986, abs=1e-4)
    assert rows["Vermis_3"].atlas_asymmetry_index is None
    assert {row.asymmetry_difference for row in rows.values()} == {0.0, None}
    mirrored = rows_of(flip_table()[labels[::-1]], Geometry.of_grid(labels.shape, affine))
    assert mirrored[10].asymmetry_difference == pytest.approx(2 * 0.2986, abs=2e-4)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [(3, 1, 1.0), (1, 3, -1.0), (5, 5, 0.0), (4, 0, 2.0), (0, 4, -2.0), (0, 0, None)],
)
def test_given_two_volumes_then_the_index_is_positive_where_the_left_is_larger(
    left: float, right: float, expected: float | None
) -> None:
    assert asymmetry_index(left, right) == expected


def test_given_an_extra_column_when_written_then_missing_values_are_n_a(tmp_path: Path) -> None:
    rows = rows_of(some_labels())
    dice: list[float | None] = [0.5, None, float("nan")] + [1.0] * 113
    write_region_table(tmp_path / "dseg.tsv", rows, {"dice": dice})

    assert [row["dice"] for row in read_table(tmp_path / "dseg.tsv")[:4]] == [
        "0.5",
        "n/a",
        "n/a",
        "1",
    ]
    with pytest.raises(ValueError, match="shorter"):
        write_region_table(tmp_path / "dseg.tsv", rows, {"dice": dice[:5]})


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
