"""The whole experiment in seconds: small prepared images, one step of training for each network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parcela.errors import BadRequest
from parcela.settings import settings
from parcela_cli.app import main
from parcela_training.evaluation.networks import EvaluationOptions, evaluate_experiment
from parcela_training.experiment import experiment, report
from parcela_training.experiment_folder import ExperimentFolder, Plan
from parcela_training.report.pictures.catalogue import PREDICTIONS, PREPROCESSING
from parcela_training.report.record import ExperimentRecord
from training.prepared_images import made_up_cohort

QUICK = EvaluationOptions(monai=1, registrations=0, noise=0)


@pytest.fixture(scope="module")
def finished(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> ExperimentFolder:
    folder = tmp_path_factory.mktemp("experiment")
    made_up_cohort(folder / "images")
    plan = Plan("demo", prepared=str(folder / "images"), budget="1steps", seed=3)
    run = ExperimentFolder(folder / "run")
    experiment(plan, run, options=QUICK, on_line=lambda _: None)
    return run


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Such small volumes gain nothing from a second thread, and lose much where others work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARCELA_TORCH_THREADS", "1")
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture(autouse=True)
def drawn_once(finished: ExperimentFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first report is drawn; those after it show a picture of it wherever they would draw one."""
    picture = (finished.path / "report-figures" / "figure-4.3.png").read_bytes()
    for module in ("report.plots", "training.curve"):
        monkeypatch.setattr(f"parcela_training.{module}.to_png", lambda _: picture)


def test_given_an_experiment_when_done_then_its_report_has_both_networks(
    finished: ExperimentFolder,
) -> None:
    record = ExperimentRecord.load(finished.record)

    assert [run.network for run in record.networks] == ["unet", "highresnet"]
    for run in record.networks:
        assert [found.reference for found in run.evaluations] == ["opened", "unopened"]
        assert run.training_hours
        assert run.curve
        assert run.settings["seed"] == 3
    assert (record.split.train, record.split.validation, record.split.test) == (2, 1, 3)
    assert record.beside == ()  # the shipped weights take another grid
    assert sorted(record.pictures) == ["4.1", "4.2"]
    assert any("cut to 1steps" in remark for remark in record.remarks)
    for name in ("report.md", "report.html", "metrics.json"):
        assert (finished.path / name).stat().st_size > 1000


def test_given_a_finished_experiment_when_repeated_then_nothing_is_done_again(
    finished: ExperimentFolder,
) -> None:
    kept = {
        path: path.read_bytes()
        for path in (finished.network("unet") / "checkpoint.pt", finished.path / "metrics.json")
    }
    lines: list[str] = []

    experiment(finished.plan(), finished, options=QUICK, on_line=lines.append)

    assert {path: path.read_bytes() for path in kept} == kept
    assert not any("step" in line.split() for line in lines)


def test_given_another_plan_when_begun_in_its_folder_then_it_says_what_differs(
    finished: ExperimentFolder,
) -> None:
    plan = Plan("demo", prepared=finished.plan().prepared, budget="2steps", seed=3)

    with pytest.raises(BadRequest, match=r"budget 1steps, not 2steps.*another folder"):
        experiment(plan, finished, options=QUICK, on_line=lambda _: None)


def test_given_validation_images_when_evaluated_then_the_report_does_not_speak_of_them(
    finished: ExperimentFolder,
) -> None:
    before = (finished.path / "metrics.json").read_bytes()

    found = evaluate_experiment(
        finished, EvaluationOptions("val", registrations=0, noise=0, monai=0), lambda _: None
    )

    assert sorted(found) == ["highresnet", "unet"]
    assert found["unet"][0].images == ("sub-02",)
    report(finished)
    assert (finished.path / "metrics.json").read_bytes() == before


def test_given_the_shipped_weights_asked_for_when_the_grid_is_another_then_it_is_refused(
    finished: ExperimentFolder,
) -> None:
    with pytest.raises(BadRequest, match=r"\(91, 122, 123\).*\(32, 16, 16\)"):
        evaluate_experiment(
            finished, EvaluationOptions(shipped=True, registrations=0, noise=0), lambda _: None
        )


def test_given_a_folder_without_an_experiment_when_reported_then_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no experiment in it"):
        report(ExperimentFolder(tmp_path))


def test_given_prepared_images_alone_when_a_split_is_asked_for_then_it_is_refused(
    tmp_path: Path,
) -> None:
    made_up_cohort(tmp_path / "images", parts={"train": 1, "val": 1, "test": 1})
    plan = Plan("demo", prepared=str(tmp_path / "images"), split="1/1/1")

    with pytest.raises(BadRequest, match="leave --split out"):
        experiment(plan, ExperimentFolder(tmp_path / "run"), on_line=lambda _: None)


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """The command in this process: exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_given_a_run_when_evaluated_by_command_then_a_line_tells_of_each_network_and_labels(
    finished: ExperimentFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("evaluate", finished.path, "--noise", "0", "--registrations", "0", "--monai", "1")
    code, out, err = run(capsys, *words)

    assert code == 0
    assert [line.split("\t")[:4] for line in out.splitlines()] == [
        [model, "test", against, "n 3"]
        for model in ("unet", "highresnet")
        for against in ("opened", "unopened")
    ]
    assert "evaluate unet on test 3/3" in err


def test_given_two_runs_when_compared_then_one_report_has_the_networks_of_both(
    finished: ExperimentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished.path, tmp_path / "other")

    code, out, _ = run(
        capsys, "compare", finished.path, tmp_path / "other", "-o", tmp_path / "both"
    )

    assert code == 0
    assert str(tmp_path / "both" / "report.html") in out
    text = (tmp_path / "both" / "report.md").read_text(encoding="utf-8")
    assert "U-Net (run) − U-Net (other)" in text
    assert "| +0.00 |" in text
    assert (tmp_path / "both" / "report-figures" / "figure-4.1.png").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", "nowhere"), "no experiment in it"),
        (("compare", "nowhere", "neither"), "parcela report nowhere"),
        (("evaluate", "nowhere"), "no experiment in it"),
        (("experiment", "nowhere", "-o", "run"), "no such file or folder"),
        (("experiment", "-o", "run", "--budget", "soon"), "write 10m, 2h, 500steps or 3epochs"),
        (("experiment", "-o", "run", "--prepared", "nowhere"), "no prepared cohort in it"),
    ],
)
def test_given_what_is_not_there_when_asked_for_then_one_sentence_says_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    code, out, err = run(capsys, *words)

    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_given_a_cohort_in_the_environment_when_begun_then_it_is_the_theses_experiment_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COHORT", str(one_scan(tmp_path)))

    code, _, err = run(capsys, "experiment")

    assert code == 2
    assert "found 1 images of 1 subjects; the preset thesis needs 1600" in err
    assert not (tmp_path / "runs").exists()


def test_given_a_preset_in_the_environment_when_begun_then_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRESET", "modern")

    code, _, err = run(capsys, "experiment", one_scan(tmp_path))

    assert code == 2
    assert "the preset modern needs 8" in err


def one_scan(folder: Path) -> Path:
    """A cohort of one file, which is never opened."""
    (folder / "scans").mkdir()
    (folder / "scans" / "sub-1_T1w.nii.gz").write_bytes(b"not opened")
    return folder / "scans"


@pytest.mark.slow
def test_given_raw_scans_when_killed_on_the_way_then_the_same_command_goes_on_to_the_report(
    tmp_path: Path,
) -> None:
    words = ["experiment", "-o", str(tmp_path / "run"), "--split", "1/1/1", "--budget", "2steps"]
    words += ["--noise", "1", "--registrations", "1", "--monai", "0", "--processes", "1"]
    command = [sys.executable, "-m", "parcela_cli.app", *words]
    for stop in ("prepare 1/3", "train unet step"):
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
            assert child.stderr
            assert any(stop in line for line in child.stderr)
            child.kill()

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "3 of them finished before" in done.stderr
    record = ExperimentRecord.load(ExperimentFolder(tmp_path / "run").record)
    assert sorted(record.pictures) == sorted([*PREPROCESSING, *PREDICTIONS])
    assert record.registration
    assert record.registration.repeat_dice[0] > 0.9
    assert "Missing" not in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
