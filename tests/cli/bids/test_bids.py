"""`parcela bids`: places and names as BIDS has them, resumed, with one scan failing; the group's tables and page."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from command import Finished, parcela_here
from in_process import run_here
from labelling.coarse import atlas
from parcela.errors import BadRequest
from parcela_cli.bids.dataset import find_scans
from parcela_cli.bids.derivative import write_side_files
from parcela_cli.bids.group import outlying
from parcela_cli.bids.participants import process_in_parallel
from parcela_inference.block_scores import BlockScores
from parcela_preprocess.preprocess import preprocess
from parcela_training.cohorts.derivatives import find_derivatives

SCANS = (
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-02/ses-a/anat/sub-02_ses-a_run-1_T1w.nii.gz",
    "sub-03/anat/sub-03_T1w.nii.gz",  # damaged
)
USERS = {"TOO_FEW_AUTHORS", "NIFTI_UNIT"}  # the study's authors, the unit in a scan's header
VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


def by_intensity(image: NDArray[np.float32], *_: object) -> BlockScores:
    """Stands in for a network: the brighter a voxel, the higher its id."""
    classes = torch.from_numpy(image * 116).long()
    return BlockScores.of(torch.nn.functional.one_hot(classes, 117).half())


@pytest.fixture(scope="module")
def study(brain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two heads, one of them in a session, and of a damaged file."""
    folder = tmp_path_factory.mktemp("bids") / "study"
    for name in SCANS:
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(brain, folder / name)
    (folder / SCANS[2]).write_bytes(b"\x1f\x8bnot a scan")
    description = {"Name": "study", "BIDSVersion": "1.9.0"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    return folder


@pytest.fixture(scope="module")
def processed(study: Path, weights: Path) -> tuple[Finished, Finished, Path]:
    """The participant level by both networks, stood in for, on a coarse grid; given twice."""
    out = study.parent / "derivatives"
    with pytest.MonkeyPatch.context() as patch:
        coarse = partial(preprocess, shape=(46, 61, 62))
        patch.setattr("parcela_preprocess.preprocess.preprocess", coarse)
        patch.setattr("parcela_inference.parcellate.class_scores", by_intensity)
        patch.setattr("parcela_preprocess.atlas_affine.colin27", atlas)
        for place in ("atlas_affine", "transforms.tissues"):
            patch.setattr(f"parcela_preprocess.{place}.run_isolated", run_here)
        further = ("--tissues", "--standard-space", "--probabilities")
        words = ("bids", study, out, "participant", "--no-preprocess", "--model", "both", *further)
        environment = {"PARCELA_WEIGHTS": str(weights)}
        first = parcela_here(*words, env=environment)
        return first, parcela_here(*words, env=environment), out


def test_given_a_data_set_then_good_scans_are_done_a_bad_one_says_why_and_nothing_is_done_twice(
    processed: tuple[Finished, Finished, Path],
) -> None:
    first, again, out = processed
    assert (first.code, again.code) == (2, 2)
    assert [Path(line.split("\t")[0]).name for line in first.out.splitlines()] == [
        "sub-01_atlas-AAL_dseg.nii.gz",
        "sub-02_ses-a_run-1_atlas-AAL_dseg.nii.gz",
    ]
    assert [line.split("\t")[1] for line in again.out.splitlines()] == ["already done"] * 2
    assert "1 of 3 scans failed" in again.err
    reason = (out / "sub-03" / "anat" / "sub-03_atlas-AAL_failed.txt").read_text()
    assert "sub-03_T1w.nii.gz" in reason
    assert reason.strip() in first.err


def test_given_the_derivatives_and_a_group_then_the_bids_validator_finds_no_error(
    processed: tuple[Finished, Finished, Path], study: Path
) -> None:
    assert parcela_here("bids", study, processed[2], "group").code == 0
    done = subprocess.run([VALIDATOR, "--json", processed[2]], capture_output=True, text=True)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["code"] not in USERS] == []
    names = {path.name for path in processed[2].rglob("*") if path.is_file()}
    assert {
        *("sub-01_atlas-AAL_dseg.tsv", "sub-01_atlas-AAL_dseg.json"),
        *("sub-01_atlas-AAL_seg-unet_dseg.nii.gz", "sub-01_desc-brain_mask.nii.gz"),
        *("sub-01_desc-brain_mask.json", "sub-01_atlas-AAL_manifest.json"),
        *("sub-01_label-GM_probseg.nii.gz", "sub-01_label-GM_probseg.json"),
        *("sub-01_space-Colin27_atlas-AAL_dseg.nii.gz", "sub-01_atlas-AAL_probseg.nii.gz"),
        "sub-02_ses-a_run-1_from-Colin27_to-T1w_mode-image_desc-affine_xfm.mat",
    } <= names


def test_given_the_derivatives_then_our_own_importer_reads_them_and_every_column_is_described(
    processed: tuple[Finished, Finished, Path],
) -> None:
    _, _, out = processed
    derivatives = find_derivatives(out)
    assert {path.name for path in derivatives.labels.values()} == {
        "sub-01_atlas-AAL_dseg.nii.gz",
        "sub-02_ses-a_run-1_atlas-AAL_dseg.nii.gz",
    }
    assert len(derivatives.masks) == 2
    record = json.loads((out / "sub-01/anat/sub-01_atlas-AAL_dseg.json").read_text())
    assert record["Sources"] == [f"bids:raw:{SCANS[0]}"]
    manifest = json.loads((out / "sub-01/anat/sub-01_atlas-AAL_manifest.json").read_text())
    assert record["Quality"] == manifest["quality"]
    with (out / "sub-01/anat/sub-01_atlas-AAL_dseg.tsv").open() as table:
        columns = table.readline().strip().split("\t")
    assert all(not record[column]["Description"].startswith("See ") for column in columns)


def test_given_results_when_grouped_then_two_tables_and_a_page_have_every_scan(
    processed: tuple[Finished, Finished, Path], study: Path
) -> None:
    _, _, out = processed
    done = parcela_here("bids", study, out, "group")
    assert (done.code, len(done.out.splitlines())) == (0, 3)
    long = read(out / "group_atlas-AAL_volumes.tsv")
    wide = read(out / "group_atlas-AAL_wide.tsv")
    assert (len(long), len(wide)) == (232, 2)
    assert [row["session_id"] for row in wide] == ["n/a", "ses-a"]
    total = sum(float(row["volume_mm3"]) for row in long[:116])
    assert float(wide[0]["total_mm3"]) == pytest.approx(total)
    manifest = json.loads((out / "sub-01/anat/sub-01_atlas-AAL_manifest.json").read_text())
    assert wide[0]["quality"] == manifest["quality"]["verdict"]
    assert wide[0]["Thalamus_R"] == long[77]["volume_mm3"]
    for whole in ("brain_mm3", "etiv_affine_mm3", "grey_mm3", "white_mm3", "csf_mm3"):
        assert float(wide[0][whole]) == pytest.approx(manifest["volumes"][whole])
    assert wide[1]["Thalamus_R_grey_mm3"] == long[116 + 77]["grey_mm3"]
    assert float(wide[0]["qc_brain_ml"]) == manifest["quality"]["numbers"]["brain_ml"]
    page = (out / "group.html").read_text()
    assert ">head (eTIV, affine), ml</button>" in page
    assert "sub-02/ses-a/anat/sub-02_ses-a_run-1_atlas-AAL_qc.png" in page
    assert '<tr class="failed">\n<td>sub-03</td>' in page
    assert f"FAILED</span> {study}/{SCANS[2]}: " in page
    assert "2 scans done, 1 without a result" in page


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_given_labels_or_a_dry_run_then_only_those_scans_are_named(study: Path) -> None:
    listed = parcela_here("bids", study, study / "out", "participant", "--dry_run")
    assert [line.split("\t") for line in listed.out.splitlines()] == [[s, "to do"] for s in SCANS]
    some = find_scans(study, ["sub-02", "03"])
    assert [scan.relative for scan in some] == list(SCANS[1:])
    assert [scan.relative for scan in find_scans(study, sessions=["a"])] == [SCANS[1]]
    for labels, words in ((["04"], "participant 04"), (["01", "9"], "participant 9")):
        with pytest.raises(BadRequest, match=words):
            find_scans(study, labels)
    assert not (study / "out").exists()


def test_given_what_is_no_data_set_of_scans_then_it_is_refused_unless_told(tmp_path: Path) -> None:
    scan = tmp_path / "sub-1" / "anat" / "sub-1_T1w.nii"
    scan.parent.mkdir(parents=True)
    with pytest.raises(BadRequest, match="missing, so this may be no BIDS data set"):
        find_scans(tmp_path)
    (tmp_path / "dataset_description.json").write_text(
        '{"BIDSVersion": "1", "DatasetType": "derivative"}'
    )
    with pytest.raises(BadRequest, match="is a derivative, not scans"):
        find_scans(tmp_path)
    with pytest.raises(BadRequest, match="holds no sub-"):
        find_scans(tmp_path, check=False)
    scan.write_bytes(b"")
    assert len(find_scans(tmp_path, check=False)) == 1
    with pytest.raises(BadRequest, match="no T1-weighted scan of session x"):
        find_scans(tmp_path, sessions=["x"], check=False)


def test_given_options_and_jobs_then_each_process_is_told_the_same(
    study: Path, brain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    def note(_scans: object, words: object, processes: int, _key: object) -> int:
        told.extend((words, processes))
        return 0

    monkeypatch.setattr("parcela_cli.bids.participants.process_in_parallel", note)
    out, template = tmp_path / "out", tmp_path / "tpl-Mine_T1w.nii.gz"
    shutil.copy(brain, template)
    words = ("--template", template, "--exact", "--no-preprocess", "--threads", "1", "--force")

    done = parcela_here("bids", study, out, "participant", "--jobs", "2", *words)

    assert done.code == 0, done.err
    expected = "--no-preprocess --standard-space --exact --template {} --threads 1 --force"
    assert told == [
        [str(study), str(out), "participant", *expected.format(template).split()],
        2,
    ]


def test_given_a_template_then_its_map_says_whose_space_it_is_in(
    processed: tuple[Finished, Finished, Path], study: Path, tmp_path: Path
) -> None:
    scan, out = find_scans(study)[0], tmp_path / "out"
    shutil.copytree(processed[2] / "sub-01", out / "sub-01")
    anat = out / "sub-01" / "anat"
    at_first = anat / "sub-01_space-Colin27_atlas-AAL_dseg.nii.gz"
    assert (
        "Holmes 1998"
        in json.loads(at_first.with_name(side(at_first)).read_text())["SpatialReference"]
    )

    manifest = anat / "sub-01_atlas-AAL_manifest.json"
    record = json.loads(manifest.read_text())
    record["parameters"]["template"] = "a1b2"
    record["files"]["space-Mine_dseg.nii.gz"] = record["files"].pop("space-Colin27_dseg.nii.gz")
    manifest.write_text(json.dumps(record))
    mine = at_first.rename(anat / "sub-01_space-Mine_atlas-AAL_dseg.nii.gz")
    write_side_files(scan, out)

    told = json.loads(mine.with_name(side(mine)).read_text())
    assert told["SpatialReference"] == "Mine: the image of SHA-256 a1b2"


def side(image: Path) -> str:
    """The name of the file that describes an image."""
    return image.name.replace(".nii.gz", ".json")


@pytest.mark.slow
def test_given_several_at_a_time_then_each_session_has_a_process_and_the_codes_are_joined(
    study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    scans = find_scans(study)
    words = (str(study), str(tmp_path / "out"), "participant", "--dry-run")
    assert process_in_parallel(scans, words, 2) == 0
    assert sorted(capfd.readouterr().out.split()[::3]) == sorted(SCANS)
    assert process_in_parallel(scans[:1], (str(study / "nowhere"), *words[1:]), 2) == 2


def test_given_volumes_then_the_deviation_is_robust() -> None:
    assert outlying([5, 5, 5]) == [0, 0, 0]
    assert outlying([1, 2, 3, 4, 100])[4] > 50
