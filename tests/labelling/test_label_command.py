"""``parcela label``: a prediction's bundle by registration, with the transforms and the check beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from command import parcela
from in_process import run_here
from labelling import coarse
from parcela.atlas.aal import atlas_labels
from parcela.atlas.colin27 import Atlas
from parcela.imaging.trail import GeometryTrail, Grid
from parcela.imaging.volume import read_volume
from parcela.options import LabelOptions
from parcela_cli.bundles import already_done, bundle_each
from parcela_cli.engines import RegistrationEngine
from parcela_labelling.labelled import CHECK_FILE
from parcela_labelling.register import Registration, register
from parcela_labelling.to_scan import to_scan
from parcela_labelling.transforms import AFFINE, INVERSE_WARP, WARP, Transforms
from parcela_preprocess.preprocess import preprocess
from phantoms import Phantom, sample, write

SCAN = Phantom("scan", axes="PSR", spacing_mm=(3.0, 3.2, 2.8), degrees=(5.0, 4.0, -6.0))
OPTIONS = LabelOptions(preprocess=False)


class Ran(NamedTuple):
    """One run of the command in this process: its exit code, its result lines, and the folder."""

    code: int
    lines: list[str]
    out: Path


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image, _ = sample(SCAN)
    return write(SCAN, image, tmp_path_factory.mktemp("scan") / "sub-01_T1w.nii.gz")


Label = Callable[..., Ran]
coarsely = partial(preprocess, shape=(46, 61, 62))


@pytest.fixture
def run(scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Label:
    """Label the scan on a coarse grid, by an affine registration in place of SyN, which takes a minute."""

    def label(atlas: Atlas | None = None) -> Ran:
        def quickly(image: NDArray[np.float32], trail: GeometryTrail, **_: Any) -> Registration:
            return register(image, trail, method="Affine", atlas=atlas or coarse.atlas())

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("parcela_labelling.register.run_isolated", run_here)
            patch.setattr("parcela_labelling.label.register", quickly)
            patch.setattr("parcela_preprocess.preprocess.preprocess", coarsely)
            code = bundle_each([scan], tmp_path / "out", RegistrationEngine(OPTIONS), force=False)
        return Ran(code, capsys.readouterr().out.splitlines(), tmp_path / "out")

    return label


def test_given_a_scan_when_labelled_then_the_bundle_is_complete_and_a_repeat_does_nothing(
    run: Label, scan: Path
) -> None:
    code, (line,), out = run()
    assert code == 0
    path, regions, millilitres, seconds, quality, verdict = line.split("\t")
    assert Path(path) == out / "sub-01_T1w_dseg.nii.gz"
    assert int(regions.split("/")[0]) > 110
    assert millilitres.endswith(" ml")
    assert seconds.endswith(" s")
    assert verdict in ("registration ok", "registration doubtful")
    assert_on_the_scans_grid(Path(path), scan)
    made = json.loads((out / "sub-01_T1w_manifest.json").read_text())
    assert (made["task"], made["weights"]) == ("label", {})
    assert {CHECK_FILE, AFFINE, "dseg.nii.gz", "dseg.tsv", "qc.png"} <= set(made["files"])
    assert all((out / f"sub-01_T1w_{name}").exists() for name in made["files"])
    check = json.loads((out / f"sub-01_T1w_{CHECK_FILE}").read_text())
    assert verdict == f"registration {check['verdict']}"
    assert quality == f"quality {made['quality']['verdict']}"
    assert any("QUALITY" in warning for warning in made["warnings"]) == (quality != "quality ok")
    assert list(made["seconds"])[-4:] == ["registration", "opening", "check", "to native"]

    assert run().lines == [f"{path}\talready done"]
    volume = read_volume(scan)
    for other in (LabelOptions(preset="thesis", preprocess=False), LabelOptions()):
        assert not already_done(out, "sub-01_T1w", volume, RegistrationEngine(other))
    (out / f"sub-01_T1w_{AFFINE}").unlink()
    assert not already_done(out, "sub-01_T1w", volume, RegistrationEngine(OPTIONS))


def test_given_a_registration_that_fails_then_the_line_the_manifest_and_the_check_say_so(
    run: Label,
) -> None:
    known = coarse.atlas()
    wrong = replace(known, brain=known.brain[:, ::-1], labels=known.labels[:, ::-1])
    code, (line,), out = run(wrong)
    assert code == 0
    assert line.endswith("\tregistration failed")
    made = json.loads((out / "sub-01_T1w_manifest.json").read_text())
    assert any("do not use these labels" in warning for warning in made["warnings"])
    assert json.loads((out / f"sub-01_T1w_{CHECK_FILE}").read_text())["verdict"] == "failed"


def test_given_labels_on_the_model_grid_when_brought_to_the_scan_then_each_lands_in_its_place() -> (
    None
):
    labels, affine = atlas_labels()
    fine = np.ascontiguousarray(labels[::2, ::2, ::2])
    every = np.diag([2.0, 2.0, 2.0, 1.0])
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = fine.shape[0] - 1
    there = GeometryTrail(
        scan=Grid(shape=fine.shape, affine=affine @ every @ flip),
        model=Grid(shape=fine.shape, affine=affine @ every),
        removed_origin_mm=(0.0, 0.0, 0.0),
        steps=(),
    )
    np.testing.assert_array_equal(to_scan(fine, there), fine[::-1])


@pytest.mark.slow
def test_given_a_real_registration_when_the_command_runs_then_points_go_to_the_atlas(
    scan: Path, tmp_path: Path
) -> None:
    done = parcela("label", scan, "-o", tmp_path, "--no-preprocess", timeout_s=300)
    assert done.code == 0, done.err
    assert done.out.strip().endswith("registration ok")
    labels = assert_on_the_scans_grid(tmp_path / "sub-01_T1w_dseg.nii.gz", scan)
    affine = read_volume(scan).geometry.affine
    transforms = Transforms.read(tmp_path, "sub-01_T1w")
    assert set(transforms.files) == {AFFINE, WARP, INVERSE_WARP}
    aal, colin = atlas_labels()
    for region in (1, 2, 7, 8, 43, 44, 85, 86, 93, 94):
        here, there = world(labels == region, affine), world(aal == region, colin)
        assert np.linalg.norm(transforms.scan_to_atlas(here).mean(0) - there.mean(0)) < 4.0  # mm
    index = transforms.scan_to_atlas(world(labels > 0, affine)) - colin[:3, 3]  # 1 mm, RAS+
    met = ndimage.map_coordinates(aal, index.T, order=0)
    assert (met == labels[labels > 0]).mean() > 0.85


def world(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The voxels of a mask as points in mm, (n, 3)."""
    return np.asarray(np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3])


def assert_on_the_scans_grid(path: Path, scan: Path) -> NDArray[np.uint8]:
    """The label map has the scan's affine to the last bit, and left is left; returns it."""
    found, received = nib.Nifti1Image.from_filename(path), nib.Nifti1Image.from_filename(scan)
    assert found.affine.tobytes() == received.affine.tobytes()
    assert found.shape == received.shape
    labels = np.asarray(found.dataobj, np.uint8)
    paired = (labels > 0) & (labels <= 108)  # 109 to 116 lie on the midline
    left, right = (world(paired & (labels % 2 == odd), found.affine) for odd in (1, 0))
    assert left[:, 0].mean() < -15 < 15 < right[:, 0].mean()
    return labels
