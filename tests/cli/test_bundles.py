"""A bundle for each scan, whatever makes it: whose it is, how its files are called, and who hears of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pytest

from command import parcela_here
from nifti_files import image, nifti, write
from parcela.bundle.manifest import InputRecord, Manifest
from parcela.bundle.write import FIXED_NAMES, file_name, prefixed
from parcela.files import sha256_of
from parcela.imaging.preprocessed import Preprocessed, PreprocessingRecord
from parcela.imaging.trail import GeometryTrail
from parcela.imaging.volume import Volume
from parcela.options import PredictOptions
from parcela_cli.bundles import NamedScan, bundle_each
from parcela_cli.engines import NetworkEngine, RegistrationEngine
from parcela_cli.progress import Progress, Result

MAP = FIXED_NAMES["dseg"]


@dataclass
class QuickEngine:
    """Makes bundles of one map and a manifest, and tells which."""

    made: list[str] = field(default_factory=list)

    def parameters(self) -> dict[str, Any]:
        return {"model": "unet"}

    def weights(self) -> dict[str, str | None]:
        return {}

    def files(self) -> Iterable[str]:
        return FIXED_NAMES.values()

    def make(self, scan: NamedScan, out: Path, progress: Progress) -> Result:
        progress.step("make")
        out.mkdir(exist_ok=True)
        path = out / file_name("dseg", scan.name)
        path.write_bytes(scan.volume.sha256.encode())
        manifest = Manifest(
            task="predict",
            parameters=self.parameters(),
            input=InputRecord.of(scan.volume.sha256, scan.volume.geometry),
            files={MAP: sha256_of(path)},
        )
        (out / file_name("manifest", scan.name)).write_text(manifest.to_json())
        self.made.append(scan.name)
        return Result((str(path),), ("a doubt",))


def scan_at(path: Path, first: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    return write(path, nifti(image() + np.int16(first)))


# ---------------------------------------------------------------------------------------- whose bundle it is


@pytest.mark.parametrize("name", ["T1.nii", "T1.nii.gz", "sub-1 scan.nii"])
def test_given_a_scan_of_the_same_name_from_another_folder_then_it_is_refused_unless_forced(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, engine = tmp_path / "out", QuickEngine()
    first, second = scan_at(tmp_path / "a" / name), scan_at(tmp_path / "b" / name, 1)
    assert bundle_each([first], out, engine, force=False) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    assert bundle_each([second], out, engine, force=False) == 2
    assert f"parcela: {second}: {out}" in (err := capsys.readouterr().err)
    assert "another scan of the same name: give another folder, or --force" in err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    assert bundle_each([second], out, engine, force=True) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} != before


def test_given_the_same_bytes_from_another_folder_then_they_are_done_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, engine = tmp_path / "out", QuickEngine()
    bundle_each([scan_at(tmp_path / "a" / "T1.nii")], out, engine, force=False)
    assert bundle_each([scan_at(tmp_path / "b" / "T1.nii")], out, engine, force=False) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("\talready done")
    assert engine.made == ["T1"]


@pytest.mark.parametrize("spoilt", [b"", b"another map", b"0" * 64])
def test_given_a_bundle_whose_bytes_have_changed_then_it_is_made_again(
    tmp_path: Path, spoilt: bytes
) -> None:
    out, engine, scan = tmp_path / "out", QuickEngine(), scan_at(tmp_path / "T1.nii")
    bundle_each([scan], out, engine, force=False)
    good = (out / prefixed(MAP, "T1")).read_bytes()
    (out / prefixed(MAP, "T1")).write_bytes(spoilt)
    assert bundle_each([scan], out, engine, force=False) == 0
    assert (out / prefixed(MAP, "T1")).read_bytes() == good


def test_given_preprocessed_scans_then_they_are_treated_as_bundles_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(volume: Volume, **_: Any) -> Preprocessed:
        geometry = volume.geometry
        record = PreprocessingRecord(seconds={"bias": 1.0}, warnings=("a doubt",))
        trail = GeometryTrail.unmoved(geometry.shape, geometry.affine)
        return Preprocessed(volume.data, np.ones(geometry.shape, np.uint8), trail, record)

    monkeypatch.setattr("parcela_preprocess.preprocess.preprocess", at_once)
    first, second = scan_at(tmp_path / "a" / "T1.nii"), scan_at(tmp_path / "b" / "T1.nii", 1)
    out = tmp_path / "out"
    done = parcela_here("preprocess", first, "-o", out)
    assert (done.code, done.out.split("\t")[0]) == (0, str(out / "T1_desc-preproc_T1w.nii.gz"))
    assert "a doubt" in done.err
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(before) == {
        *("T1_desc-preproc_T1w.nii.gz", "T1_desc-brain_mask.nii.gz", "T1_trail.json"),
        "T1_desc-preproc_manifest.json",
    }

    other = parcela_here("preprocess", second, "-o", out)
    assert other.code == 2
    assert "another scan of the same name: give another folder, or --force" in other.err
    assert parcela_here("preprocess", first, "-o", out).out.endswith("\talready done\n")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    (out / "T1_trail.json").write_text("{}")
    assert "already done" not in parcela_here("preprocess", first, "-o", out).out
    thesis = parcela_here("preprocess", first, "-o", out, "--preset", "thesis")
    assert "already done" not in thesis.out
    assert parcela_here("preprocess", second, "-o", out, "--force").code == 0


# ---------------------------------------------------------------------------------------- names


LATIN_1 = os.fsdecode(b"Fran\xe7ois.nii")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (LATIN_1, "Fran\ufffdois"),
        (os.fsdecode(b"\xff\xfe.nii"), "\ufffd\ufffd"),
        ("two\nlines\tand a tab.nii", "two\ufffdlines\ufffdand a tab"),
        ("\x1b[31mred.nii", "\ufffd[31mred"),
        ("[bold]:warning:.nii", "[bold]:warning:"),
    ],
)
def test_given_a_name_that_is_no_text_then_it_is_shown_as_far_as_it_is(
    tmp_path: Path, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, engine = tmp_path / "out", QuickEngine()
    assert bundle_each([scan_at(tmp_path / name)], out, engine, force=False) == 0
    streams = capsys.readouterr()
    assert streams.out == f"{out / said}_dseg.nii.gz\n"
    assert streams.err.splitlines()[0] == f"{tmp_path / said}.nii"
    assert (out / f"{Path(name).stem}_dseg.nii.gz").exists()


def test_given_a_name_too_long_for_its_results_then_it_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = QuickEngine()
    longest = 255 - len("_desc-brain_mask.nii.gz")
    scans = [scan_at(tmp_path / f"{'x' * (247 - 4)}.nii"), scan_at(tmp_path / f"{'é' * 121}.nii")]
    for scan in scans:
        assert bundle_each([scan], tmp_path / "out", engine, force=False) == 2
        assert "bytes too long: a result's name would have 26" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    fits = scan_at(tmp_path / f"{'x' * longest}.nii")
    assert bundle_each([fits], tmp_path / "out", engine, force=False) == 0
    assert engine.made == ["x" * longest]


@pytest.mark.parametrize("out", ["y" * 256, f"{'y' * 250}.nii.gz", f"{'y' * 256}/deeper"])
def test_given_a_destination_too_long_then_it_is_refused(
    tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = bundle_each([scan_at(tmp_path / "T1.nii")], tmp_path / out, QuickEngine(), force=False)
    assert code == 2
    assert "too long" in capsys.readouterr().err


def test_when_engines_are_asked_for_their_files_then_those_of_their_options_are_there() -> None:
    assert "desc-highresnet_dseg.nii.gz" in NetworkEngine(PredictOptions(model="both")).files()
    assert "desc-unet_dseg.nii.gz" not in NetworkEngine(PredictOptions()).files()
    from parcela.options import LabelOptions

    assert sum("_xfm." in file for file in RegistrationEngine(LabelOptions()).files()) == 3


# ---------------------------------------------------------------------------------------- who hears of it


@contextmanager
def lost(way: str) -> Iterator[TextIO]:
    """A stream that takes nothing."""
    if way == "disk full":
        if not Path("/dev/full").exists():
            pytest.skip("needs /dev/full")
        target: str | int = "/dev/full"
    else:
        reader, target = os.pipe()
        os.close(reader)
    with open(target, "w") as stream:
        yield stream


@pytest.mark.parametrize("way", ["reader gone", "disk full"])
@pytest.mark.parametrize("names", [("stdout",), ("stderr",), ("stdout", "stderr")])
def test_given_nobody_who_reads_what_is_said_then_every_bundle_is_made_and_none_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, names: tuple[str, ...]
) -> None:
    engine = QuickEngine()
    scans = [scan_at(tmp_path / f"{name}.nii") for name in "abc"]
    with monkeypatch.context() as patch, lost(way) as stream:
        for name in names:
            patch.setattr(sys, name, stream)
        assert bundle_each(scans, tmp_path / "out", engine, force=False) == 0
        bad = tmp_path / "missing.nii"
        assert bundle_each([bad, scans[0]], tmp_path / "out", engine, force=True) == 2
    assert engine.made == ["a", "b", "c", "a"]
