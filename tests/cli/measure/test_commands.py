"""`parcela measure`, `resample`, `convert` and `regions --as`, as a user gives them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
import pytest

from command import parcela_here
from parcela.atlas.aal import atlas_labels
from parcela.atlas.lookup_tables import lookup_table


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AAL at 4 mm as a label map, an image of its own place in each voxel, and one of four times."""
    folder = tmp_path_factory.mktemp("measured")
    labels, affine = atlas_labels()
    coarse = affine @ np.diag([4.0, 4.0, 4.0, 1.0])
    labels = np.ascontiguousarray(labels[::4, ::4, ::4])
    nib.save(nib.Nifti1Image(labels, coarse), folder / "head_dseg.nii.gz")
    place = np.arange(labels.size, dtype=np.float32).reshape(labels.shape)
    nib.save(nib.Nifti1Image(place, coarse), folder / "pet.nii.gz")
    noise = np.random.default_rng(0).normal(size=(*labels.shape, 4)).astype(np.float32)
    nib.save(nib.Nifti1Image(noise, coarse), folder / "bold.nii.gz")
    nib.save(nib.Nifti1Image(place[:, :, :20], coarse), folder / "slab.nii.gz")
    return folder


def voxels(path: str | Path) -> np.ndarray:
    return np.asarray(cast(nib.Nifti1Image, nib.load(path)).dataobj)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def test_given_two_images_when_measured_then_one_table_has_116_rows_of_each(files: Path) -> None:
    done = parcela_here(
        "measure",
        *(str(files / name) for name in ("head_dseg.nii.gz", "pet.nii.gz", "slab.nii.gz")),
    )
    assert done.code == 0
    rows = rows_of(done.out)
    assert [row["image"] for row in rows] == ["pet"] * 116 + ["slab"] * 116
    assert {row["coverage"] for row in rows[:116]} == {"1"}
    precentral, vermis = rows[116], rows[116 + 115]
    assert [precentral[column] for column in ("name", "coverage", "voxels", "mean")] == [
        *("Precentral_L", "0", "0", "n/a")
    ]
    assert (vermis["coverage"], float(vermis["mean"]) > 0) == ("1", True)
    assert "slab.nii.gz: " in done.err
    assert "less than 90%" in done.err


def test_given_a_series_when_measured_then_a_folder_has_its_table_matrix_and_picture(
    files: Path, tmp_path: Path
) -> None:
    series, label_map = str(files / "bold.nii.gz"), str(files / "head_dseg.nii.gz")
    refused = parcela_here("measure", label_map, series)
    assert (refused.code, refused.out) == (2, "")
    assert "is 4-D and gives three files: give a folder with -o" in refused.err

    done = parcela_here("measure", label_map, series, "-o", str(tmp_path / "m"))
    assert done.code == 0
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "bold_correlation.png",
        "bold_correlation.tsv",
        "bold_timeseries.tsv",
    ]
    assert len(rows_of((tmp_path / "m" / "bold_timeseries.tsv").read_text())) == 4
    matrix = rows_of((tmp_path / "m" / "bold_correlation.tsv").read_text())
    assert float(matrix[5][matrix[5]["name"]]) == pytest.approx(1)


def test_given_a_map_when_converted_to_spm_and_back_then_it_is_equal_byte_for_byte(
    files: Path, tmp_path: Path
) -> None:
    first, spm, back = (str(tmp_path / f"{name}.nii.gz") for name in ("first", "spm", "back"))
    assert (
        parcela_here(
            "convert", str(files / "head_dseg.nii.gz"), "--ids", "parcela", "-o", first
        ).code
        == 0
    )
    assert parcela_here("convert", first, "--ids", "spm", "-o", spm).code == 0
    assert parcela_here("convert", spm, "--ids", "parcela", "-o", back).code == 0
    assert Path(first).read_bytes() == Path(back).read_bytes()
    values = np.unique(voxels(spm))
    assert (len(values), values[1], values[-1]) == (117, 2001, 9170)


def test_given_a_series_when_resampled_like_it_then_the_map_has_its_grid(
    files: Path, tmp_path: Path
) -> None:
    out = tmp_path / "on_slab.nii.gz"
    label_map = files / "head_dseg.nii.gz"
    done = parcela_here(
        "resample", str(label_map), "--like", str(files / "slab.nii.gz"), "-o", str(out)
    )
    assert (done.code, done.out.strip()) == (0, str(out))
    assert "regions of the map have no voxel on the grid of slab.nii.gz" in done.err
    expected = voxels(label_map)[:, :, :20]
    assert np.array_equal(voxels(out), expected)


def test_given_what_cannot_be_then_it_is_refused_before_anything_is_written(
    files: Path, tmp_path: Path
) -> None:
    label_map = str(files / "head_dseg.nii.gz")
    for wanted, *words in (
        ("is no id of AAL", "measure", str(files / "pet.nii.gz"), label_map),
        ("no such file", "measure", label_map, str(tmp_path / "nowhere.nii")),
        (
            "ending in .nii or .nii.gz",
            "convert",
            label_map,
            "--ids",
            "spm",
            "-o",
            str(tmp_path / "x"),
        ),
        ("give another name", "convert", label_map, "--ids", "spm", "-o", label_map),
    ):
        done = parcela_here(*words)
        assert (done.code, wanted in done.err) == (2, True), done.err
    assert list(tmp_path.iterdir()) == []


def test_when_regions_are_listed_as_another_program_reads_them_then_it_is_its_table() -> None:
    assert parcela_here("regions", "--as", "workbench").out == lookup_table("workbench")
