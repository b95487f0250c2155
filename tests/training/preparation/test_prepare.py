"""A virtual cohort of four coarse brains, prepared by the real steps; only the grid is small."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image as Picture

from in_process import run_here, spread_here
from parcela.atlas.opening import open_labels
from parcela.errors import BadRequest, StepFailed
from parcela_training.cohorts.cohort import Cohort
from parcela_training.cohorts.find import find_cohort
from parcela_training.cohorts.split import split_cohort
from parcela_training.cohorts.split_sizes import Sizes
from parcela_training.cohorts.virtual_cohort import write_virtual_cohort
from parcela_training.preparation.prepare import Failure, Preparing, Step, prepare
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.preparation.settings import demo, thesis
from processes import wait_until

SHAPE = (30, 40, 42)
HOW = replace(demo(), shape=SHAPE)
SIZES = Sizes(2, 1, 1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return write_virtual_cohort(tmp_path_factory.mktemp("virtual"), 4, spacing_mm=4)


@pytest.fixture(scope="module")
def first(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Preparing:
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        stay_here(patch)
        return prepare(split_cohort(cohort, asked=SIZES), HOW, folder, processes=2)


def stay_here(patch: pytest.MonkeyPatch) -> None:
    """Prepare in this process, N4 included, at 3 mm; other tests prepare as a user does."""
    patch.setattr("parcela_preprocess.transforms.straighten.SPACING_MM", 3.0)
    patch.setattr("parcela_training.preparation.prepare.spread", spread_here)
    patch.setattr("parcela_preprocess.transforms.n4.run_isolated", run_here)


@pytest.fixture
def again(first: Preparing, tmp_path: Path) -> Path:
    """A copy of the prepared folder, times included."""
    return Path(shutil.copytree(first.prepared.folder, tmp_path / "prepared"))


@pytest.fixture
def own_cohort(cohort: Cohort, tmp_path: Path) -> Path:
    """A copy of the cohort, to be damaged."""
    return Path(shutil.copytree(cohort.root, tmp_path / "cohort"))


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "images").glob("*.npz")}


def test_given_a_cohort_when_prepared_then_each_image_lies_with_its_labels_on_the_grid(
    first: Preparing,
) -> None:
    assert (first.made, first.finished_before, first.failures) == (4, 0, ())
    found = PreparedSet.read(first.prepared.folder)
    assert [len(found.files(part)) for part in ("train", "val", "test")] == [2, 1, 1]
    for file in found.files("train"):
        one = PreparedImage.load(file)
        assert one.image.shape == one.label.shape == one.registered.shape == SHAPE
        assert one.image.dtype == np.float16
        assert 0 <= one.image.min() < 0.9 < one.image.max() <= 1
        np.testing.assert_array_equal(one.label, open_labels(one.registered, "modern"))
        assert len(np.unique(one.label)) > 100
    assert {row["mask_from"] for row in found.rows} == {"imported"}
    assert {row["label_from"] for row in found.rows} == {"imported"}


def test_given_the_exact_truth_when_prepared_then_labels_lie_where_the_image_shows_tissue(
    first: Preparing,
) -> None:
    assert {row["verdict"] for row in first.prepared.rows} <= {"ok", "doubtful"}


def test_given_a_prepared_cohort_then_a_contact_sheet_shows_every_image(first: Preparing) -> None:
    (sheet,) = first.sheets
    with Picture.open(sheet) as page:
        assert page.width > 1000
        assert np.asarray(page.convert("HSV"))[..., 1].max() > 100  # labels are in colour


def test_given_a_prepared_cohort_when_repeated_then_nothing_is_computed_again(
    cohort: Cohort, again: Path
) -> None:
    steps: list[Step] = []
    before = times(again)

    done = prepare(split_cohort(cohort, asked=SIZES), HOW, again, on_step=steps.append)

    assert (done.made, done.finished_before) == (0, 4)
    assert times(again) == before
    assert [(step.total, step.done, step.finished_before) for step in steps] == [(4, 4, 4)]


@pytest.mark.slow
def test_given_another_opening_when_prepared_then_the_first_images_stay_beside_the_new(
    cohort: Cohort, again: Path
) -> None:
    before = times(again)
    other = replace(HOW, opening="thesis")

    done = prepare(split_cohort(cohort, asked=SIZES), other, again, processes=2)

    assert done.made == 4
    assert len(times(again)) == 8
    assert times(again).items() >= before.items()
    one = PreparedImage.load(done.prepared.files("val")[0])
    np.testing.assert_array_equal(one.label, open_labels(one.registered, "thesis"))


def test_given_damaged_scans_when_prepared_then_they_are_listed_and_the_rest_goes_on(
    own_cohort: Path, again: Path
) -> None:
    scans = sorted(own_cohort.glob("sub-*/anat/*.nii.gz"))
    split = split_cohort(find_cohort(own_cohort), asked=SIZES)
    damaged = split.images("train")[0].path
    damaged.write_bytes(damaged.read_bytes()[:1000])
    steps: list[Step] = []

    done = prepare(split, HOW, again, on_step=steps.append)

    assert (done.made, done.finished_before, len(done.failures)) == (0, len(scans) - 1, 1)
    assert isinstance(steps[-1].record, Failure)
    header, line = (again / "failures.tsv").read_text().splitlines()
    assert header == "id\tsubject\tdataset\tsplit\tkind\treason"
    assert "bad-scan" in line
    assert damaged.name in line
    assert PreparedSet.read(again).record["failed"] == 1


def test_given_a_part_without_any_image_when_prepared_then_it_is_an_error(
    own_cohort: Path, again: Path
) -> None:
    split = split_cohort(find_cohort(own_cohort), asked=SIZES)
    split.images("test")[0].path.unlink()
    with pytest.raises(StepFailed, match="no image of the part test could be prepared"):
        prepare(split, HOW, again)


def test_given_half_a_file_when_prepared_then_that_image_is_made_again(
    cohort: Cohort, again: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_here(monkeypatch)
    half = min((again / "images").glob("*.npz"))
    half.write_bytes(half.read_bytes()[:5000])
    (again / "images" / ".0123.part").write_bytes(b"left by a killed run")

    done = prepare(split_cohort(cohort, asked=SIZES), HOW, again)

    assert (done.made, done.finished_before) == (1, 3)
    assert PreparedImage.load(half).image.shape == SHAPE
    assert not list(again.glob("*/.*.part"))


def test_given_another_run_at_work_when_prepared_then_it_is_refused(
    cohort: Cohort, again: Path
) -> None:
    with (
        FileLock(again / ".lock"),
        pytest.raises(BadRequest, match="another run is preparing into it"),
    ):
        prepare(split_cohort(cohort, asked=SIZES), HOW, again)


@pytest.mark.slow
def test_given_no_imports_when_prepared_as_the_thesis_then_labels_are_registered(
    cohort: Cohort, tmp_path: Path
) -> None:
    how = replace(thesis(), shape=SHAPE, imports=False)

    done = prepare(split_cohort(cohort, asked=SIZES), how, tmp_path, processes=2)

    assert done.failures == ()
    assert {row["mask_from"] for row in done.prepared.rows} == {"scan"}  # stripped before it came
    assert {row["label_from"] for row in done.prepared.rows} == {"registration"}
    assert all(float(row["seconds_registration"]) > 0 for row in done.prepared.rows)
    one = PreparedImage.load(done.prepared.files("test")[0])
    np.testing.assert_array_equal(one.label, open_labels(one.registered, "thesis"))
    assert not list((tmp_path / "halfway").iterdir())


def killed(command: list[str], ripe: Callable[[], bool]) -> None:
    """Start a command in a process group of its own, and kill all of that once it is ripe."""
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    wait_until(lambda: ripe() or process.poll() is not None, 120)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_given_a_run_killed_twice_when_repeated_then_finished_images_are_not_made_again(
    cohort: Cohort, tmp_path: Path
) -> None:
    out = tmp_path / "prepared"
    command = [sys.executable, "-m", "parcela_cli.app", "prepare", str(cohort.root), "-o", str(out)]
    command += ["--preset", "demo", "--split", "2/1/1", "--grid", "30,40,42", "--processes", "1"]
    seen: dict[str, int] = {}
    for finished in (1, 2):
        killed(command, lambda: len(times(out)) >= finished)  # noqa: B023 -- called in this turn alone
        assert times(out).items() >= seen.items()
        seen = times(out)
        with pytest.raises(BadRequest, match=r"no prepared cohort|did not end"):
            PreparedSet.read(out)

    last = subprocess.run(command, capture_output=True, text=True, check=True)

    assert f"4 images, {len(seen)} of them finished before" in last.stderr
    assert times(out).items() >= seen.items()
    assert len(times(out)) == 4
    assert last.stdout.split("\t") == [str(out / "prepared.tsv"), "2/1/1", "0 failed\n"]
