"""Several scans in one run: failures stay apart, names stay distinct, what is done stays done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from command import Finished, parcela, parcela_here
from in_process import run_here
from nifti_files import image, nifti, write
from parcela.errors import BadRequest, BadScan, ParcelaError, StepFailed, Unavailable
from parcela.imaging.geometry import Shape
from parcela.imaging.trail import GeometryTrail
from parcela.imaging.volume import read_volume
from parcela.options import PredictOptions
from parcela.settings import settings
from parcela_cli.batch import Batch, distinct_names
from parcela_cli.bundles import already_done
from parcela_cli.engines import NetworkEngine
from parcela_inference.block_scores import BlockScores
from parcela_preprocess.preprocess import preprocess

# ---------------------------------------------------------------------------------------- exit codes


def run_batch(scans: Sequence[Path], work: Callable[[Path, str], None]) -> int:
    """Do the work at each scan of a batch; returns the batch's exit code."""
    batch = Batch(scans)
    for scan, name in batch:
        with batch.reporting(scan):
            work(scan, name)
    return batch.exit_code


def work_that(**outcome: Exception) -> Callable[[Path, str], None]:
    """Work that fails on the scans named, with the errors given."""

    def work(scan: Path, name: str) -> None:
        print(name)
        if name in outcome:
            raise outcome[name]

    return work


SCANS = [Path("a.nii"), Path("b.nii"), Path("c.nii")]


@pytest.mark.parametrize(
    ("failures", "code"),
    [
        ({}, 0),
        ({"a": BadScan("x")}, 2),
        ({"a": StepFailed("x")}, 3),
        ({"b": Unavailable("x"), "c": Unavailable("y")}, 4),
        ({"a": BadScan("x"), "b": BadRequest("y")}, 2),
        ({"a": BadScan("x"), "c": StepFailed("y")}, 1),
        ({"b": ZeroDivisionError("x")}, 1),
    ],
)
def test_given_failures_when_a_batch_runs_then_all_scans_are_done_and_the_exit_code_tells_the_class(
    failures: dict[str, ParcelaError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_batch(SCANS, work_that(**failures)) == code
    streams = capsys.readouterr()
    assert streams.out.split() == ["a", "b", "c"]
    assert (f"{len(failures)} of 3 scans failed" in streams.err) is bool(failures)


def test_given_a_failure_then_its_line_names_the_scan_exactly_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_batch(SCANS, work_that(a=BadScan("a.nii: it is empty"), b=StepFailed("ROBEX crashed")))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "parcela: a.nii: it is empty",
        "parcela: b.nii: ROBEX crashed",
        "parcela: 2 of 3 scans failed",
    ]


def test_given_a_fault_of_our_own_then_it_is_shown_in_full_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_batch(SCANS, work_that(a=ZeroDivisionError("oops")))
    err = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in err
    assert "parcela: a.nii: a fault in Parcela itself" in err


def test_given_a_missing_library_then_the_batch_ends_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ModuleNotFoundError):
        run_batch(SCANS, work_that(a=ModuleNotFoundError("torch")))
    assert capsys.readouterr().out.split() == ["a"]


def test_given_an_interruption_then_the_batch_ends_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(scan: Path, name: str) -> None:
        print(name)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(SCANS, interrupted)
    assert capsys.readouterr().out.split() == ["a"]


# ---------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("scans", "names"),
    [
        (["a.nii.gz"], ["a"]),
        (["x/a.nii.gz", "x/b.nii"], ["a", "b"]),
        (["x/a.nii.gz", "y/b.nii"], ["a", "b"]),
        (["s1/T1.nii.gz", "s2/T1.nii.gz"], ["s1_T1", "s2_T1"]),
        (["d/s1/anat/T1.nii", "d/s2/anat/T1.nii"], ["s1_anat_T1", "s2_anat_T1"]),
        (["T1.nii.gz", "s2/T1.nii.gz"], ["T1", "s2_T1"]),
        (["s1/T1.nii.gz", "s2/T1.nii.gz", "s2/b.nii"], ["s1_T1", "s2_T1", "s2_b"]),
    ],
)
def test_given_scans_then_each_gets_the_shortest_name_of_its_own(
    scans: list[str], names: list[str]
) -> None:
    assert distinct_names([Path(scan) for scan in scans]) == names


@pytest.mark.parametrize(
    ("scans", "reason"),
    [
        (["a.nii", "a.nii"], "a.nii was given twice"),
        (["a.nii", "./a.nii"], "a.nii was given twice"),
        (["x/a.nii", "x/a.nii.gz"], "would have the same names"),
        (["x/T1.nii", "x_T1.nii", "y/x_T1.nii"], "would have the same names"),
    ],
)
def test_given_scans_that_cannot_be_told_apart_then_none_is_begun(
    scans: list[str], reason: str
) -> None:
    with pytest.raises(BadRequest, match=reason):
        distinct_names([Path(scan) for scan in scans])


# ---------------------------------------------------------------------------------------- a real batch, preprocessed


@pytest.fixture(scope="module")
def preprocessed(brain: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Path]:
    """A truncated scan, a good one, and a text file, preprocessed into one folder."""
    folder = tmp_path_factory.mktemp("batch")
    first = write(folder / "first.nii.gz", nifti(image())[:-1])
    last = write(folder / "last.nii", b"no scan at all\n" * 100)
    return parcela("preprocess", first, brain, last, "-o", folder / "out"), folder


def test_given_bad_scans_around_a_good_one_when_preprocessed_then_the_good_one_is_done(
    preprocessed: tuple[Finished, Path],
) -> None:
    done, folder = preprocessed
    assert done.code == 2
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "colin_desc-brain_mask.nii.gz",
        "colin_desc-preproc_T1w.nii.gz",
        "colin_desc-preproc_manifest.json",
        "colin_trail.json",
    ]


def test_given_a_batch_then_results_are_on_stdout_and_everything_else_on_stderr(
    preprocessed: tuple[Finished, Path], brain: Path
) -> None:
    done, folder = preprocessed
    (line,) = done.out.splitlines()
    assert line.startswith(f"{folder / 'out' / 'colin_desc-preproc_T1w.nii.gz'}\t91×122×123\t")
    assert f"parcela: {folder / 'first.nii.gz'}: truncated" in done.err
    assert f"parcela: {folder / 'last.nii'}: not a NIfTI file" in done.err
    assert done.err.splitlines()[-1] == "parcela: 2 of 3 scans failed"
    assert str(brain) in done.err
    for step in (
        "skull-strip",
        "bias",
        "spacing",
        "orientation",
        "histogram",
        "crop",
        "origin",
        "resize",
    ):
        assert f"  {step} " in done.err
    assert "already skull-stripped" in done.err


def test_given_a_preprocessed_scan_then_its_files_lie_where_the_trail_says(
    preprocessed: tuple[Finished, Path], brain: Path
) -> None:
    _, folder = preprocessed
    trail = GeometryTrail.from_json((folder / "out" / "colin_trail.json").read_text())
    picture = nib.Nifti1Image.from_filename(folder / "out" / "colin_desc-preproc_T1w.nii.gz")
    mask = nib.Nifti1Image.from_filename(folder / "out" / "colin_desc-brain_mask.nii.gz")
    scan = read_volume(brain)
    assert picture.shape == trail.model.shape == (91, 122, 123)
    np.testing.assert_allclose(picture.affine, trail.model.affine, atol=1e-3)
    np.testing.assert_array_equal(mask.affine, scan.geometry.affine)
    assert (np.asarray(mask.dataobj) > 0)[scan.data > 0].mean() > 0.99


# ---------------------------------------------------------------------------------------- a real batch, predicted


@pytest.fixture(scope="module")
def predicted(
    brain: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Finished, Path]:
    """A missing scan and a good one, parcellated into one folder; on a coarse grid, by intensity for a network."""
    out = tmp_path_factory.mktemp("predicted") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("parcela_preprocess.preprocess.preprocess", partial(preprocess, shape=COARSE))
        patch.setattr("parcela_preprocess.transforms.n4.run_isolated", run_here)
        patch.setattr("parcela_inference.parcellate.class_scores", scores_by_intensity)
        return parcela_here("predict", out / "no.nii", brain, "-o", out, env=of(weights)), out


COARSE: Shape = (46, 61, 62)


def of(weights: Path) -> dict[str, str]:
    return {"PARCELA_WEIGHTS": str(weights)}


def scores_by_intensity(image: NDArray[np.float32], *_: object) -> BlockScores:
    classes = torch.from_numpy(image * 116).long()
    return BlockScores.of(torch.nn.functional.one_hot(classes, 117).half())


@pytest.mark.slow
def test_given_a_shipped_network_when_a_batch_is_predicted_then_its_files_are_those_of_any(
    predicted: tuple[Finished, Path], brain: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = parcela("predict", out / "no.nii", brain, "-o", out)
    assert done.code == 2
    (line,) = done.out.splitlines()
    assert line.split("\t")[0] == str(out / "colin_dseg.nii.gz")
    assert f"parcela: {out / 'no.nii'}: no such file" in done.err
    names = {path.name for path in out.iterdir()}
    assert names == {path.name for path in predicted[1].iterdir()}


def test_given_a_missing_scan_before_a_good_one_when_predicted_then_the_good_one_has_its_bundle(
    predicted: tuple[Finished, Path],
) -> None:
    done, out = predicted
    assert done.code == 2
    (line,) = done.out.splitlines()
    assert line.split("\t")[0] == str(out / "colin_dseg.nii.gz")
    assert f"parcela: {out / 'no.nii'}: no such file" in done.err
    record = json.loads((out / "colin_manifest.json").read_text())
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["colin_manifest.json", *(f"colin_{name}" for name in record["files"])]
    )


def test_given_an_interrupted_batch_when_repeated_then_only_what_is_missing_is_done(
    predicted: tuple[Finished, Path], brain: Path, weights: Path
) -> None:
    _, out = predicted
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = parcela("predict", out / "no.nii", brain, "-o", out, env=of(weights))
    assert again.code == 2
    assert again.out == f"{out / 'colin_dseg.nii.gz'}\talready done\n"
    assert "no such file" in again.err
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.fixture
def bundle(
    predicted: tuple[Finished, Path], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A copy of the finished bundle that a test may spoil; its weights are the ones in use."""
    monkeypatch.setenv("PARCELA_WEIGHTS", str(weights))
    settings.cache_clear()
    yield Path(shutil.copytree(predicted[1], tmp_path / "bundle"))
    monkeypatch.undo()
    settings.cache_clear()


def test_given_a_complete_bundle_then_it_is_done(bundle: Path, brain: Path) -> None:
    assert already_done(bundle, "colin", read_volume(brain), NetworkEngine(PredictOptions()))


@pytest.mark.parametrize(
    "options",
    [
        PredictOptions(model="both"),
        PredictOptions(model="highresnet"),
        PredictOptions(preprocess=False),
        PredictOptions(skull_strip="deepbet"),
        PredictOptions(space="model"),
    ],
    ids=str,
)
def test_given_a_bundle_made_with_other_options_then_it_is_not_done(
    bundle: Path, brain: Path, options: PredictOptions
) -> None:
    assert not already_done(bundle, "colin", read_volume(brain), NetworkEngine(options))


def test_given_a_bundle_made_with_other_thread_counts_then_it_is_not_done(
    bundle: Path, brain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARCELA_ITK_THREADS", "2")  # N4's bytes depend on it
    settings.cache_clear()
    assert not already_done(bundle, "colin", read_volume(brain), NetworkEngine(PredictOptions()))


def test_given_a_bundle_made_with_other_weights_then_it_is_not_done(
    bundle: Path, brain: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(weights, tmp_path / "other"))
    card = json.loads((other / "warp" / "card.json").read_text())
    (other / "warp" / "card.json").write_text(json.dumps(card | {"sha256": "0" * 64}))
    monkeypatch.setenv("PARCELA_WEIGHTS", str(other))
    settings.cache_clear()
    assert not already_done(bundle, "colin", read_volume(brain), NetworkEngine(PredictOptions()))


def test_given_other_bytes_under_the_same_name_then_it_is_not_done(
    bundle: Path, brain: Path, tmp_path: Path
) -> None:
    other = write(tmp_path / "colin.nii.gz", nifti(image()))
    assert not already_done(bundle, "colin", read_volume(other), NetworkEngine(PredictOptions()))
    assert already_done(bundle, "colin", read_volume(brain), NetworkEngine(PredictOptions()))


@pytest.mark.parametrize(
    "name", ["dseg.nii.gz", "dseg.tsv", "qc.png", "desc-brain_mask.nii.gz", "manifest.json"]
)
def test_given_a_bundle_with_a_file_missing_then_it_is_not_done(
    bundle: Path, brain: Path, name: str
) -> None:
    (bundle / f"colin_{name}").unlink()
    assert not already_done(bundle, "colin", read_volume(brain), NetworkEngine(PredictOptions()))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"schema_version": 99}', '{"schema_version": 1}']
)
def test_given_something_else_in_the_manifests_place_then_it_is_not_done(
    bundle: Path, brain: Path, text: str
) -> None:
    (bundle / "colin_manifest.json").write_text(text)
    assert not already_done(bundle, "colin", read_volume(brain), NetworkEngine(PredictOptions()))


def test_given_a_single_map_as_destination_then_it_is_never_taken_as_done(
    bundle: Path, brain: Path
) -> None:
    assert not already_done(
        bundle / "colin_dseg.nii.gz", "colin", read_volume(brain), NetworkEngine(PredictOptions())
    )
