"""`parcela predict --dicom-seg`: a segmentation beside each label map, or the reason why there can be none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from command import parcela_here
from dicom_series import oblique, series, write_zip
from nifti_files import image, nifti, write
from parcela.imaging.label_map import write_label_map
from parcela_cli.bundles import NamedScan, bundle_each
from parcela_cli.commands.predict import segmentation_beside
from parcela_cli.progress import Progress, Result

DATA = np.arange(8 * 8 * 6, dtype=np.uint16).reshape(8, 8, 6)


class OneRegion:
    """An engine that finds one region everywhere but in the first voxel."""

    def parameters(self) -> dict[str, Any]:
        return {}

    def weights(self) -> dict[str, str | None]:
        return {}

    def files(self) -> Iterable[str]:
        return ("dseg.nii.gz",)

    def make(self, scan: NamedScan, out: Path, _progress: Progress) -> Result:
        labels = np.ones(scan.volume.data.shape, np.uint8)
        labels[0, 0, 0] = 0
        out.mkdir(exist_ok=True)
        path = out / f"{scan.name}_dseg.nii.gz"
        write_label_map(path, labels, scan.volume.geometry)
        return Result((str(path),))


def test_given_a_series_when_its_map_is_made_then_the_segmentation_lies_beside_it(
    tmp_path: Path,
) -> None:
    scan, out = write_zip(series(DATA, oblique()), tmp_path / "scan.zip"), tmp_path / "out"
    finish = segmentation_beside([scan], "native")
    assert bundle_each([scan], out, OneRegion(), force=False, finish=finish) == 0
    assert sorted(path.name for path in out.iterdir()) == ["scan_dseg.dcm", "scan_dseg.nii.gz"]
    written = (out / "scan_dseg.dcm").read_bytes()
    assert len(pydicom.dcmread(out / "scan_dseg.dcm").SegmentSequence) == 116
    finish(scan, out / "scan_dseg.nii.gz")
    assert (
        out / "scan_dseg.dcm"
    ).read_bytes() == written  # it was there, and no older than the map


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("scan.nii", (), "is no DICOM series: give its folder or a zip"),
        ("scan.zip", ("--space", "model"), "--dicom-seg with --space model"),
    ],
)
def test_given_what_can_have_no_segmentation_when_asked_for_one_then_nothing_is_computed(
    tmp_path: Path, name: str, options: tuple[str, ...], reason: str
) -> None:
    scan = tmp_path / name
    write(scan, nifti(image())) if name.endswith("nii") else write_zip(
        series(DATA, oblique()), scan
    )
    done = parcela_here("predict", scan, "-o", tmp_path / "out", "--dicom-seg", *options)
    assert (done.code, done.out) == (2, "")
    assert reason in done.err
    assert not (tmp_path / "out").exists()
