"""One head in many files: what each way writes, and what the tables say of the maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from parcela.imaging.volume import Volume, read_volume
from parcela_benchmarks import validity
from parcela_benchmarks.degrade import Mask
from parcela_benchmarks.results import read_results
from parcela_benchmarks.validity import CLOSE, ORIGINAL, SAME, WAYS
from parcela_training.cohorts.cohort import Image

SHAPE = (20, 24, 22)
Written = tuple[NDArray[Any], NDArray[np.float64]]


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Volume, Mask]:
    """A ball with a gradient in it, 4 mm, as a file; its volume and its mask."""
    places = np.indices(SHAPE) - np.reshape([10, 12, 11], (3, 1, 1, 1))
    inside = np.sqrt((places**2).sum(0)) < 8
    data = np.where(inside, 500 + 9 * places[0] + 5 * places[1] - 7 * places[2], 0)
    path = tmp_path_factory.mktemp("head") / "head.nii.gz"
    nib.save(nib.Nifti1Image(data.astype(np.int16), np.diag([4.0, 4.0, 4.0, 1.0])), path)
    return path, read_volume(path), inside.astype(np.uint8)


def written(name: str, head: tuple[Path, Volume, Mask], folder: Path) -> Written:
    """The voxels and the affine of the file that a way writes."""
    path, scan, mask = head
    file = folder / ("scan.nii.gz" if WAYS[name].packed else "scan.nii")
    WAYS[name].write(file, scan, mask, nib.load(path))
    image: Any = nib.load(file)
    return np.asarray(image.dataobj), image.affine


@pytest.mark.parametrize("name", SAME)
def test_given_another_form_then_the_voxels_lie_where_they_lay_and_a_map_comes_back(
    name: str, head: tuple[Path, Volume, Mask], tmp_path: Path
) -> None:
    _, scan, _ = head
    data, affine = written(name, head, tmp_path)
    np.testing.assert_array_equal(WAYS[name].back(data), scan.data)
    for place in ((0, 0, 0), (3, 5, 7), (19, 23, 21)):
        world = (np.linalg.inv(affine) @ (scan.geometry.affine @ [*place, 1.0]))[:3]
        assert data[tuple(np.rint(world).astype(int))] == scan.data[place]


@pytest.mark.parametrize("name", CLOSE)
def test_given_another_picture_then_it_is_another_of_the_same_head(
    name: str, head: tuple[Path, Volume, Mask], tmp_path: Path
) -> None:
    _, scan, _ = head
    data, affine = written(name, head, tmp_path)
    same = data.shape == scan.data.shape and np.array_equal(data, scan.data)
    assert not (same and np.allclose(affine, scan.geometry.affine))
    before, after = (
        (d > 250).sum() * abs(np.linalg.det(a[:3, :3]))
        for d, a in ((scan.data, scan.geometry.affine), (data, affine))
    )
    assert after == pytest.approx(before, rel=0.15)


def test_given_a_head_that_is_turned_and_turned_back_then_it_is_where_it_was(
    head: tuple[Path, Volume, Mask], tmp_path: Path
) -> None:
    _, scan, mask = head
    there, _ = written("turned by 10°", head, tmp_path)
    back, _ = written("turned by 10° and back", head, tmp_path)
    middle = ndimage.binary_erosion(mask, iterations=3)  # away from the edge, which either blurs
    away = [np.abs(data - scan.data)[middle].mean() for data in (there, back)]
    assert away[1] < away[0] / 2


def test_given_a_head_that_leans_in_the_header_then_its_affine_is_turned_by_ten_degrees(
    head: tuple[Path, Volume, Mask], tmp_path: Path
) -> None:
    data, affine = written("turned by 10° in the header", head, tmp_path)
    np.testing.assert_array_equal(data, head[1].data)
    turned = affine[:3, :3] / 4
    assert np.degrees(np.arccos((np.trace(turned) - 1) / 2)) == pytest.approx(10, abs=1e-3)


def keep(image: Image, name: str, work: Path, voxels: dict[int, int]) -> None:
    """A map of 1 mm with so many voxels of each region."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels.ravel()[: sum(voxels.values())] = np.repeat([*voxels], [*voxels.values()])
    file = validity.map_of(image, "warp", name, work)
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(labels, np.eye(4)), file)
    manifest = file.with_name(file.name.replace("dseg.nii.gz", "manifest.json"))
    manifest.write_text('{"weights": {"warp": "0123456789abcdef"}}')


def test_given_maps_then_the_tables_say_how_far_the_volumes_move(tmp_path: Path) -> None:
    image = Image("sub-1", tmp_path / "sub-1.nii.gz", "sub-1")
    keep(image, ORIGINAL, tmp_path, {1: 1000, 2: 6000})
    keep(image, "a second time", tmp_path, {1: 1000, 2: 6000})
    keep(image, "the sform alone", tmp_path, {1: 999, 2: 6001})
    keep(image, "turned by 5°", tmp_path, {1: 960, 2: 6060})
    assert validity.row(image, "warp", "turned by 10°", tmp_path) is None
    found = [validity.row(image, "warp", name, tmp_path) for name in WAYS]
    rows = [row for row in found if row is not None]
    assert validity.same_table(rows, "warp").rows == (
        ("a second time", "1 of 1", "1", "0.0000%", "0.00 %"),
        ("the sform alone", "0 of 1", "0", "0.0143%", "0.10 %"),
    )
    assert validity.close_table(rows, "warp").rows == (
        ("turned by 5°", "1", "2.5 %", "3.8 %", "1.0 %", "+0.3 %", "yes"),
    )
    assert "Weights: warp 0123456789ab. Measured on: " in validity.close_table(rows, "warp").note
    assert validity.close_table(rows, "robex").rows == ()
    assert (
        validity.page_table(rows).splitlines()[-1].startswith("| turned by 5° | warp | 1 | 2.5 % |")
    )


def test_given_the_results_then_the_table_of_the_page_is_made_from_them() -> None:
    rows = read_results("validity")["rows"]
    assert validity.page_table_as_written() == validity.page_table(rows)


def test_given_rows_of_before_then_those_that_were_not_measured_again_stay() -> None:
    before = [{"scan": "a", "mode": "unet", "way": way, "new": False} for way in ("x", "y")]
    now = [{"scan": "a", "mode": "unet", "way": "y", "new": True}]
    assert validity.merged(before, now) == [now[0], before[0]]
