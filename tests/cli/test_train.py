"""``parcela train`` as a user runs it: the line it prints, where files land, how it is ended and refused."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from command import PARCELA, parcela
from patience import patient
from training.prepared_images import made_up_cohort

pytestmark = pytest.mark.slow
THREADS = ("--threads", "1")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return made_up_cohort(tmp_path / "prepared", parts={"train": 2, "val": 1}).folder


def test_given_images_when_trained_then_it_says_where_and_the_run_is_an_experiment_s(
    images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = ("train", images, "-o", out, "--model", "unet", "--preset", "thesis", *THREADS)
    done = parcela(*command, "--budget", "2steps")

    assert done.code == 0, done.err
    folder, steps, epochs, hours, loss, dice = done.out.rstrip("\n").split("\t")
    assert (folder, steps, epochs) == (str(out / "unet"), "2 steps", "1.00 epochs")
    assert re.fullmatch(r"0\.\d{3} h", hours)
    assert re.fullmatch(r"loss \d\.\d{4}", loss)
    assert re.fullmatch(r"Dice \d\.\d{4}", dice)
    assert "validation loss" in done.err
    assert (out / "experiment.json").exists()
    assert {path.name for path in (out / "unet").iterdir()} == {
        "checkpoint.pt",
        "curve.png",
        "curve.tsv",
        "history.jsonl",
        "network.safetensors",
        "trained.json",
    }


def test_given_a_run_when_ended_by_a_signal_then_it_is_saved_after_its_step(
    images: Path, tmp_path: Path
) -> None:
    command: list[str | Path] = ["train", images, "-o", tmp_path / "run", "--model", "unet"]
    command += ["--preset", "thesis"]
    with subprocess.Popen(
        [*PARCELA, *map(str, command), *THREADS], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        while "step" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=patient(30))

    assert process.returncode == 128 + signal.SIGTERM
    again = parcela(*command, *THREADS, "--budget", "1steps")
    assert again.code == 0, again.err
    assert int(again.out.split("\t")[1].split()[0]) >= 1


def test_given_another_recipe_or_no_images_then_it_is_refused_in_one_sentence(
    images: Path, tmp_path: Path
) -> None:
    missing = parcela("train", tmp_path / "nowhere", "-o", tmp_path / "run")
    assert missing.code == 2
    assert "run parcela prepare" in missing.err
    nonsense = parcela("train", images, "-o", tmp_path / "run", "--budget", "soon")
    assert nonsense.code == 2
    assert "write 10m, 2h, 500steps or 3epochs" in nonsense.err
