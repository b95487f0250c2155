"""The bundle: complete or not claimed to be, the same twice, and nobody's name in the service's files."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from parcela.bundle.manifest import Manifest, software_versions
from parcela.bundle.prediction import Prediction
from parcela.bundle.write import file_name, network_map_name, write_bundle
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import Volume
from parcela.record import BadRecord

SHAPE = (7, 5, 6)


def some_labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 117, SHAPE).astype(np.uint8)


def a_scan() -> Volume:
    data = np.random.default_rng(1).random(SHAPE, np.float32)
    geometry = Geometry.of_grid(SHAPE, np.diag([-0.9, 1.1, 1.3, 1.0]))
    return Volume(data, geometry, "sub-01_T1w", "ab" * 32, ("voxels are coarse",))


def a_bundle(folder: Path, *, prefix: bool = True) -> dict[str, Path]:
    labels = some_labels()
    manifest = Manifest(
        task="predict",
        software=software_versions(["numpy"]),
        parameters={
            "model": "both",
            "threads": np.int64(2),
            "zoom": np.float32(2.5),
            "skull_strip": "robex",
        },
        weights={"unet": "cd" * 32, "highresnet": None},
        seconds={"skull-strip": 67.5, "predict": 2.5},
        warnings=("voxels are coarse", "the mask is large"),
    )
    mask, maps = (labels > 9).astype(np.uint8), {"unet": labels, "highresnet": labels}
    prediction = Prediction(a_scan(), labels, mask, manifest, maps)
    return write_bundle(prediction, folder, prefix=prefix)


def test_given_a_scan_when_its_bundle_is_written_then_every_file_is_there_and_named_after_it(
    tmp_path: Path,
) -> None:
    paths = a_bundle(tmp_path / "new/folder")

    assert sorted(path.name for path in (tmp_path / "new/folder").iterdir()) == [
        "sub-01_T1w_desc-brain_mask.nii.gz",
        "sub-01_T1w_desc-highresnet_dseg.nii.gz",
        "sub-01_T1w_desc-unet_dseg.nii.gz",
        "sub-01_T1w_dseg.nii.gz",
        "sub-01_T1w_dseg.tsv",
        "sub-01_T1w_itksnap.txt",
        "sub-01_T1w_lut.txt",
        "sub-01_T1w_manifest.json",
        "sub-01_T1w_qc.png",
        "sub-01_T1w_report.html",
        "sub-01_T1w_thumbnail.png",
    ]
    assert set(paths.values()) == set((tmp_path / "new/folder").iterdir())
    assert paths["dseg"].name == file_name("dseg", "sub-01_T1w")
    assert paths["desc-unet_dseg"].name == network_map_name("unet", "sub-01_T1w")


def test_given_the_services_fixed_names_when_written_then_the_scans_name_is_nowhere(
    tmp_path: Path,
) -> None:
    a_bundle(tmp_path / "fixed", prefix=False)
    a_bundle(tmp_path / "named")

    for path in (tmp_path / "fixed").iterdir():
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert "sub-01" not in path.name
        assert b"sub-01" not in content
        if path.suffix not in (".png", ".html"):  # whose title is the name
            twin = tmp_path / "named" / f"sub-01_T1w_{path.name}"
            if path.name != "manifest.json":
                assert path.read_bytes() == twin.read_bytes()


def test_given_one_scan_twice_when_written_then_all_bytes_are_equal(tmp_path: Path) -> None:
    first, second = a_bundle(tmp_path / "1"), a_bundle(tmp_path / "2")

    for kind, path in first.items():
        assert path.read_bytes() == second[kind].read_bytes(), kind


def test_given_a_bundle_then_its_manifest_says_how_it_was_made(tmp_path: Path) -> None:
    paths = a_bundle(tmp_path)

    record = json.loads(paths["manifest"].read_text())
    assert record["schema_version"] == 1
    assert record["input"]["sha256"] == "ab" * 32
    assert record["input"]["shape"] == list(SHAPE)
    assert record["input"]["axes"] == "LAS"
    np.testing.assert_array_equal(record["input"]["affine"], a_scan().geometry.affine)
    missing = f"{116 - np.unique(some_labels()[some_labels() > 0]).size} of the 116 regions have no voxel in this map"
    assert record["warnings"] == ["voxels are coarse", "the mask is large", missing]
    assert record["weights"] == {"unet": "cd" * 32, "highresnet": None}
    assert record["seconds"] == {"skull-strip": 67.5, "predict": 2.5}
    assert (record["parameters"]["threads"], record["parameters"]["zoom"]) == (2, 2.5)
    assert {"python", "numpy"} <= set(record["software"])
    assert [work.split(" ")[0] for work in record["citations"][1:4]] == [
        "Tzourio-Mazoyer",
        "Holmes",
        "Cardoso",
    ]
    report = paths["report"].read_text(encoding="utf-8")
    assert record["files"]["dseg.nii.gz"] in report
    written = {p.name.removeprefix("sub-01_T1w_"): p for p in paths.values()}
    del written["manifest.json"]
    assert record["files"] == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in written.items()
    }


def test_given_a_manifest_when_read_back_then_it_is_equal(tmp_path: Path) -> None:
    text = a_bundle(tmp_path)["manifest"].read_text()

    assert Manifest.from_json(text).to_json() == text
    with pytest.raises(BadRecord, match="schema_version: Input should be 1, not 2"):
        Manifest.from_json(text.replace('"schema_version": 1', '"schema_version": 2'))


def test_given_a_failure_halfway_over_an_older_bundle_then_no_manifest_claims_completeness(
    tmp_path: Path,
) -> None:
    a_bundle(tmp_path)
    wrong_mask = np.zeros((1, 2, 3), np.uint8)
    prediction = Prediction(a_scan(), some_labels(), wrong_mask, Manifest(task="predict"))

    with pytest.raises(ValueError, match="shape"):
        write_bundle(prediction, tmp_path)
    assert not (tmp_path / "sub-01_T1w_manifest.json").exists()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a\\b", "a\0b"])
def test_given_a_name_that_would_leave_the_folder_then_it_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        file_name("dseg", name)


def test_given_attachments_when_written_then_they_are_in_the_bundle_and_its_manifest(
    tmp_path: Path,
) -> None:
    content = b"\0\1 any bytes"

    labels = some_labels()
    prediction = Prediction(
        a_scan(),
        labels,
        (labels > 9).astype(np.uint8),
        Manifest(task="label"),
        attachments={"desc-affine_xfm.mat": content},
    )
    paths = write_bundle(prediction, tmp_path, "sub-01")
    assert paths["desc-affine_xfm.mat"] == tmp_path / "sub-01_desc-affine_xfm.mat"
    assert paths["desc-affine_xfm.mat"].read_bytes() == content
    made = Manifest.from_json(paths["manifest"].read_text())
    assert made.files["desc-affine_xfm.mat"] == hashlib.sha256(content).hexdigest()
