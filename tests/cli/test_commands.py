"""The commands beside the main one, what they refuse, and how they end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from command import PARCELA, parcela, parcela_here
from nifti_files import image, nifti, write
from parcela.atlas.aal import COLIN27_HEAD
from parcela.errors import BadRequest, StepFailed
from parcela_cli.app import COMMANDS
from parcela_cli.destination import check_destination, check_folder, writing
from parcela_cli.progress import Progress, warn
from patience import patient
from processes import wait_until

# ---------------------------------------------------------------------------------------- what is listed


def test_when_regions_are_listed_then_all_116_are_there_with_side_lobe_and_colour() -> None:
    done = parcela_here("regions")
    assert (done.code, done.err) == (0, "")
    header, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert header == ["index", "name", "code", "hemisphere", "lobe", "color"]
    assert [int(row[0]) for row in rows] == list(range(1, 117))
    assert len({row[1] for row in rows}) == 116
    for index, name, code, hemisphere, lobe, color in rows:
        assert 2001 <= int(code) <= 9170
        midline = int(index) > 108
        assert midline is name.startswith("Vermis")
        assert midline or name.endswith("_L" if hemisphere == "L" else "_R")
        assert midline or hemisphere == ("L" if int(index) % 2 else "R")
        assert lobe
        assert re.fullmatch(r"#[0-9a-f]{6}", color)


def test_given_weights_when_models_are_listed_then_each_has_a_line(weights: Path) -> None:
    done = parcela_here("models", env={"PARCELA_WEIGHTS": str(weights)})
    assert (done.code, done.err) == (0, "")
    assert [line.split("\t")[:3] for line in done.out.splitlines()] == [
        ["unet", "modern", "validation Dice 0.01"],
        ["highresnet", "modern", "validation Dice 0.01"],
        ["warp", "modern", "validation Dice 0.01"],
    ]


def test_given_a_network_when_its_regions_are_listed_then_the_weakest_come_first() -> None:
    done = parcela_here("models", "unet")
    header, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert header == ["region", "median Dice on 25 test images"]
    assert len({name for name, _ in rows}) == 116
    dice = [float(value) for _, value in rows]
    assert dice == sorted(dice)
    assert 0 < dice[0] < dice[-1] < 1


def test_when_help_is_asked_for_then_the_mounted_commands_stand_between_those_of_the_command() -> (
    None
):
    """The experiment's come by the entry point; the command's own code does not name them."""
    assert [command.__name__ for command in COMMANDS] == [
        *("predict", "bids", "preprocess", "label", "regions", "measure", "resample", "convert"),
        *("models", "doctor", "demo"),
        *("prepare", "train", "evaluate", "report", "experiment", "compare", "publish"),
        *("serve", "worker"),
    ]


@pytest.mark.parametrize("arguments", [[], ["predict"], ["preprocess"], ["demo"]])
def test_when_help_is_asked_for_then_nothing_heavy_is_loaded(arguments: list[str]) -> None:
    heavy = ("torch", "monai", "ants", "numpy", "nibabel", "matplotlib", "scipy")
    program = f"""
import sys
from parcela_cli.app import main
try:
    main({[*arguments, "--help"]!r})
except SystemExit as end:
    assert end.code == 0, end
print("LOADED", sorted(sys.modules.keys() & set({heavy!r})))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"
    assert "Usage:" in done.stdout


# ---------------------------------------------------------------------------------------- doctor


def test_given_weights_when_the_installation_is_examined_then_every_part_has_its_line(
    weights: Path,
) -> None:
    done = parcela_here("doctor", env={"PARCELA_WEIGHTS": str(weights)})
    lines = done.out.splitlines()
    for part in (
        f"ok  python: Python {sys.version.split()[0]}",
        "ok  library: torch ",
        "ok  weights: unet, modern, SHA-256 as on its card",
        "ok  weights: highresnet, modern, SHA-256 as on its card",
        "ok  weights: warp, modern, SHA-256 as on its card",
        "ok  atlas: 116 regions",
    ):
        assert any(line.startswith(part) for line in lines), part
    assert any("accelerator: " in line for line in lines)
    assert any("ROBEX: " in line for line in lines)
    blocked = [line for line in lines if line.startswith("!") and "ROBEX" not in line]
    assert done.code == (4 if blocked else 0)
    assert done.err == ""


def without_torch(folder: Path) -> dict[str, str]:
    """An environment in which PyTorch is not installed."""
    (folder / "torch.py").write_text(
        'raise ModuleNotFoundError("No module named \'torch\'", name="torch")\n'
    )
    return {"PYTHONPATH": str(folder)}


def test_given_no_pytorch_when_the_installation_is_examined_then_it_is_said_what_to_install(
    tmp_path: Path,
) -> None:
    done = parcela("doctor", env=without_torch(tmp_path))
    assert done.code == 4
    assert done.err == ""
    assert "!   accelerator: torch is not installed" in done.out
    assert "pip install 'parcela[all]'" in done.out
    assert "ok  atlas: 116 regions" in done.out  # what comes after is still looked at


def test_given_no_pytorch_when_a_good_scan_is_predicted_then_it_is_said_what_to_install(
    brain: Path, tmp_path: Path
) -> None:
    done = parcela("predict", brain, "-o", tmp_path / "out", env=without_torch(tmp_path))
    assert (done.code, done.out) == (4, "")
    assert (
        done.err.splitlines()[-1] == "parcela: torch is not installed: pip install 'parcela[all]'"
    )
    assert "Traceback" not in done.err
    assert not (tmp_path / "out").exists()


def test_given_no_weights_when_a_good_scan_is_predicted_then_it_is_said_where_they_were_looked_for(
    brain: Path, tmp_path: Path
) -> None:
    nowhere = {"PARCELA_WEIGHTS": str(tmp_path / "none")}
    done = parcela_here("predict", brain, "-o", tmp_path / "out", env=nowhere)
    assert done.code == 4
    assert f"no weights for warp in {tmp_path / 'none' / 'warp'}" in done.err
    assert "PARCELA_WEIGHTS" in done.err
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict"],
        ["predict", "a.nii", "--model", "resnet"],
        ["predict", "a.nii", "--skull-strip", "bet"],
        ["predict", "a.nii", "--space", "mni"],
        ["predict", "a.nii", "--threads", "0"],
        ["predict", "a.nii", "--no-such-option"],
        ["preprocess", "a.nii", "--preset", "best"],
        ["no-such-command"],
    ],
    ids=" ".join,
)
def test_given_a_request_that_makes_no_sense_then_the_exit_code_is_2(arguments: list[str]) -> None:
    done = parcela_here(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage:" in done.err
    assert "Error" in done.err


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"PARCELA_ITK_THREADS": "0"}, "parcela: PARCELA_ITK_THREADS=0: "),
        ({"PARCELA_MAX_VOXELS": "lots"}, "parcela: PARCELA_MAX_VOXELS=lots: "),
    ],
)
def test_given_a_setting_that_makes_no_sense_then_one_line_names_it(
    environment: dict[str, str], reason: str, tmp_path: Path
) -> None:
    done = parcela_here("predict", tmp_path / "a.nii", "-o", tmp_path / "out", env=environment)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert line.startswith(reason)


def test_given_a_limit_in_the_environment_then_it_counts(brain: Path, tmp_path: Path) -> None:
    done = parcela_here(
        "predict", brain, "-o", tmp_path / "out", env={"PARCELA_MAX_VOXELS": "1000"}
    )
    assert done.code == 2
    assert "over the limit of 1000" in done.err


def test_given_two_scans_and_one_file_as_destination_then_neither_is_begun(tmp_path: Path) -> None:
    done = parcela("predict", "a.nii", "b.nii", "-o", tmp_path / "map.nii.gz")
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert "names one file, but 2 scans were given" in done.err


# ---------------------------------------------------------------------------------------- where results go


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a scan, a file and a folder in it."""
    write(tmp_path / "scan.nii.gz", nifti(image()))
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.nii.gz").mkdir()
    return tmp_path


@pytest.mark.parametrize("out", ["new", "new/deep/er", ".", "map.nii.gz", "new/map.nii.gz"])
def test_given_a_place_that_can_be_written_to_then_it_is_accepted_and_not_yet_made(
    out: str, place: Path
) -> None:
    before = sorted(place.rglob("*"))
    check_destination([place / "scan.nii.gz"], place / out)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("scan.nii.gz", "is the scan itself"),
        ("map.nii", "ending in .nii.gz for the label map alone"),
        ("file", "is a file: give a folder"),
        ("file/below", "is a file: give a folder"),
        ("file/map.nii.gz", "is a file: give a folder"),
        ("folder.nii.gz", "is a folder"),
    ],
)
def test_given_a_place_that_cannot_hold_results_then_it_is_refused_before_anything_is_computed(
    out: str, reason: str, place: Path
) -> None:
    with pytest.raises(BadRequest, match=f"-o .*{re.escape(reason)}"):
        check_destination([place / "scan.nii.gz"], place / out)


def test_given_a_link_to_the_scan_as_destination_then_it_is_refused(place: Path) -> None:
    (place / "link.nii.gz").symlink_to(place / "scan.nii.gz")
    with pytest.raises(BadRequest, match="is the scan itself"):
        check_destination([place / "scan.nii.gz"], place / "link.nii.gz")


def test_given_a_folder_without_permission_then_it_is_refused(place: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (place / "shut").mkdir(mode=0o500)
    with pytest.raises(BadRequest, match="may not be written to"):
        check_folder(place / "shut" / "new")


@pytest.mark.parametrize("out", ["map.nii.gz", "map.nii"])
def test_given_a_file_name_where_a_folder_is_needed_then_it_is_refused(
    out: str, place: Path
) -> None:
    with pytest.raises(BadRequest, match="give a folder"):
        check_folder(place / out)


def test_given_a_disk_that_refuses_then_the_step_failed_with_its_reason() -> None:
    with (
        pytest.raises(StepFailed, match=r"out: cannot be written \(No space left on device\)"),
        writing(Path("out")),
    ):
        raise OSError(28, "No space left on device")


# ---------------------------------------------------------------------------------------- progress


def test_given_steps_then_each_is_told_on_stderr_with_its_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Progress("scan.nii.gz") as progress:
        progress.step("skull-strip")
        progress.step("bias")
    streams = capsys.readouterr()
    assert streams.out == ""
    title, *steps = streams.err.splitlines()
    assert title == "scan.nii.gz"
    assert [re.sub(r"\d+\.\d", "0.0", step).split() for step in steps] == [
        ["skull-strip", "0.0", "s"],
        ["bias", "0.0", "s"],
    ]


def test_given_a_step_that_fails_then_it_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with Progress("scan.nii.gz") as progress:
            progress.step("bias")
            raise StepFailed("it crashed")

    with pytest.raises(StepFailed):
        fail()
    assert capsys.readouterr().err.splitlines()[-1].endswith("failed")


@pytest.mark.parametrize("text", ["sub[bold]1.nii.gz", "[/red]/scan.nii.gz", "scan[t1].nii.gz"])
def test_given_brackets_in_a_name_then_they_are_shown_as_they_are(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress(text):
        warn(text)
    assert capsys.readouterr().err.splitlines() == [text, f"  warning {text}"]


# ---------------------------------------------------------------------------------------- being ended


def test_given_a_run_that_is_terminated_then_no_child_runs_on_and_no_temporary_file_stays(
    tmp_path: Path,
) -> None:
    temporary, out = tmp_path / "temporary", tmp_path / "out"
    temporary.mkdir()
    process = subprocess.Popen(
        [*PARCELA, "preprocess", str(COLIN27_HEAD), "-o", str(out), "--skull-strip", "robex"],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: process.poll() is not None or list(temporary.glob("parcela-*/log")), 30)
    assert process.poll() is None
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=patient(20))

    assert process.returncode == 128 + signal.SIGTERM
    assert b"Traceback" not in err
    assert psutil.wait_procs(children, timeout=patient(5))[1] == []
    assert list(temporary.glob("parcela-*")) == []
    assert not out.exists()


def test_given_version_when_asked_then_it_is_the_installed_one() -> None:
    done = parcela("--version")
    assert (done.code, done.out) == (0, f"parcela {version('parcela')}\n")
