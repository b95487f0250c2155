"""Real scans end to end: `COHORT=/path/to/bids make test-all` parcellates six of each data set with both networks.

About a minute and a half a scan on two cores. The pictures stay in pytest's temporary folder, to be looked at.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from parcela.atlas.aal import regions
from parcela.imaging.label_map import GEOMETRY_FIELDS

PER_DATASET = 6
pytestmark = pytest.mark.slow


def chosen_scans() -> list[Path]:
    """The first test subjects of each data set, topped up from the others, by ``participants.tsv``."""
    if "COHORT" not in os.environ:
        return []
    cohort = Path(os.environ["COHORT"])
    with (cohort / "participants.tsv").open(newline="") as file:
        people = sorted(
            csv.DictReader(file, delimiter="\t"),
            key=lambda row: (row["split"] != "test", row["participant_id"]),
        )
    chosen: list[Path] = []
    for dataset in sorted({row["dataset"] for row in people}):
        names = [row["participant_id"] for row in people if row["dataset"] == dataset]
        chosen += [cohort / name / "anat" / f"{name}_T1w.nii.gz" for name in names[:PER_DATASET]]
    return chosen


SCANS = chosen_scans()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SCANS:
        pytest.skip("set COHORT to a BIDS folder with participants.tsv (columns dataset, split)")
    folder = tmp_path_factory.mktemp("cohort")
    command = [sys.executable, "-m", "parcela_cli.app", "predict", *map(str, SCANS)]
    done = subprocess.run(
        [*command, "-o", str(folder), "--model", "both"],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr, folder, sep="\n")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(SCANS)
    return folder


def read(path: Path) -> tuple[nib.Nifti1Image, NDArray[np.uint8]]:
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return image, np.asarray(image.dataobj).astype(np.uint8)


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: scan.parent.parent.name)
@pytest.mark.parametrize("kind", ["dseg", "desc-unet_dseg", "desc-highresnet_dseg"])
def test_given_a_real_scan_when_parcellated_then_the_map_lies_on_it_with_its_sides_right(
    scan: Path, kind: str, out: Path
) -> None:
    received, _ = read(scan)
    found, labels = read(out / f"{scan.name.removesuffix('.nii.gz')}_{kind}.nii.gz")
    for field in GEOMETRY_FIELDS:
        np.testing.assert_array_equal(found.header[field], received.header[field], err_msg=field)
    assert found.shape == received.shape
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=117)[1:]) + 1
    assert len(present) >= 100
    affine = np.asarray(received.affine)
    x_mm = {int(i): float((affine[:3, :3] @ np.argwhere(labels == i).mean(0))[0]) for i in present}
    pairs = [(r.index, r.partner) for r in regions() if r.hemisphere == "L" and r.partner]
    both = [(left, right) for left, right in pairs if left in x_mm and right in x_mm]
    assert len(both) >= 45
    assert all(x_mm[left] < x_mm[right] for left, right in both)


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: scan.parent.parent.name)
def test_given_a_real_scan_when_parcellated_then_the_table_counts_the_maps_voxels(
    scan: Path, out: Path
) -> None:
    name = scan.name.removesuffix(".nii.gz")
    image, labels = read(out / f"{name}_dseg.nii.gz")
    voxel_mm3 = abs(np.linalg.det(np.asarray(image.affine)[:3, :3]))
    with (out / f"{name}_dseg.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    counts = np.bincount(labels.ravel(), minlength=117)
    assert [int(row["voxels"]) for row in rows] == counts[1:].tolist()
    volumes = np.asarray([float(row["volume_mm3"]) for row in rows])
    np.testing.assert_allclose(volumes, counts[1:] * voxel_mm3, rtol=1e-6)
    assert (out / f"{name}_qc.png").stat().st_size > 50_000
