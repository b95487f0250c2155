"""Training on small made-up images: what is repeated, resumed, stopped and left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from parcela.errors import BadRequest
from parcela.options import Network
from parcela.settings import settings as installation
from parcela_inference.networks import build_unet
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.training.budget import Budget
from parcela_training.training.curve import CurvePoint
from parcela_training.training.presets import modern, thesis
from parcela_training.training.recipe import Recipe
from parcela_training.training.record import NETWORK, TrainingRecord
from parcela_training.training.train import TrainingProgress, load_network, train
from training.prepared_images import made_up_cohort

CURVE = "parcela_training.training.curve.draw_curve"
WORKER = Path(__file__).parents[1] / "train_worker.py"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Such small volumes gain nothing from a second thread, and lose much where others work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARCELA_TORCH_THREADS", "1")
        installation.cache_clear()
        yield
    installation.cache_clear()


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture takes as long as the training: the curve is drawn where it is looked at."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(CURVE, lambda _points, _title: b"")


@pytest.fixture
def drawn() -> None:
    """The curve's picture is drawn."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    folder = tmp_path_factory.mktemp("images")
    return made_up_cohort(folder / "prepared", parts={"train": 3, "val": 1})


def small(model: Network) -> Recipe:
    """``modern`` for small volumes."""
    return replace(
        modern(model),
        budget=Budget(steps=4),
        trunk_steps=1,
        warm_up_steps=2,
        patches=2,
        patch_size=(8, 8, 8),
        validate_every=1,
        norm_images=1,
    )


def metrics(run: TrainingRecord) -> list[CurvePoint]:
    """The curve but for the clock."""
    return [replace(point, seconds=0.0) for point in run.curve]


def test_given_a_run_when_halted_and_resumed_then_it_ends_with_the_same_bits(
    images: PreparedSet, tmp_path: Path
) -> None:
    straight = train(small("unet"), images, tmp_path / "straight")

    def halt(moment: TrainingProgress) -> None:
        if moment.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small("unet"), images, tmp_path / "halted", on_progress=halt, checkpoint_s=0)
    resumed = train(small("unet"), images, tmp_path / "halted")

    assert metrics(resumed) == metrics(straight)
    assert same_files(tmp_path, NETWORK)


def test_given_the_last_step_done_when_the_network_is_finished_then_it_is_told_and_a_signal_acts_at_once(
    images: PreparedSet, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    handlers, finished = set(), []

    def note(moment: TrainingProgress) -> None:
        if moment.finishing:
            finished.append(moment.finishing)
            handlers.add(signal.getsignal(signal.SIGTERM))
        else:
            assert signal.getsignal(signal.SIGTERM) != before

    train(small("highresnet"), images, tmp_path, on_progress=note)

    count = len(images.files("train"))
    assert finished == [(1, 1), *((done, count) for done in range(1, count + 1))]
    assert handlers == {before}


def same_files(folder: Path, name: str) -> bool:
    return (folder / "straight" / name).read_bytes() == (folder / "halted" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["modern", "thesis"])
@pytest.mark.parametrize("model", ["unet", "highresnet"])
def test_given_a_run_when_killed_again_and_again_then_it_ends_with_the_same_bits(
    model: Network, recipe: str, images: PreparedSet, tmp_path: Path
) -> None:
    recipes = {"modern": small(model), "thesis": replace(thesis(model), budget=Budget(steps=4))}
    straight = train(recipes[recipe], images, tmp_path / "straight")

    for steps in (2, 1):
        kill_after(steps, model, recipe, images.folder, tmp_path / "halted")
    resumed = train(recipes[recipe], images, tmp_path / "halted")

    assert metrics(resumed) == metrics(straight)
    assert same_files(tmp_path, NETWORK)
    assert len((tmp_path / "halted" / "history.jsonl").read_text().splitlines()) == 3


def kill_after(steps: int, model: Network, recipe: str, prepared: Path, out: Path) -> None:
    """Train in a process of its own and kill it with SIGKILL some time after so many steps."""
    command = [sys.executable, str(WORKER), model, recipe, str(prepared), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for _ in range(steps):
            assert process.stdout.readline(), "the run ended before it could be killed"
        process.kill()
    assert process.returncode == -9


def test_given_a_finished_run_when_repeated_then_nothing_is_done_again(
    images: PreparedSet, tmp_path: Path
) -> None:
    recipe = replace(small("unet"), budget=Budget(steps=1))
    first = train(recipe, images, tmp_path)
    kept = (tmp_path / "checkpoint.pt").stat().st_mtime_ns
    moments: list[TrainingProgress] = []

    again = train(recipe, images, tmp_path, on_progress=moments.append)

    assert again == first == TrainingRecord.read(tmp_path)
    assert moments == []
    assert (tmp_path / "checkpoint.pt").stat().st_mtime_ns == kept


def test_given_a_larger_budget_when_resumed_then_it_goes_on(
    images: PreparedSet, tmp_path: Path
) -> None:
    train(small("unet"), images, tmp_path, budget=Budget(steps=1))
    moments: list[TrainingProgress] = []

    run = train(
        small("unet"), images, tmp_path, budget=Budget(epochs=1), on_progress=moments.append
    )

    assert (run.steps, run.epochs) == (3, 1.0)
    trained = [moment for moment in moments if not moment.finishing]
    assert [moment.step for moment in trained] == [2, 3, 3]
    assert trained[-1].validation == run.curve[-1]
    assert [point.step for point in run.curve] == [1, 3]


def test_given_no_better_loss_when_it_exceeds_the_patience_then_it_stops_and_keeps_the_best(
    images: PreparedSet, tmp_path: Path
) -> None:
    """Nothing is learnt at a rate of 0, so that only the first validation is better than any before."""
    recipe = replace(thesis("unet"), learning_rate=0.0, patience=1, validate_every=1 / 3)

    run = train(recipe, images, tmp_path)

    assert run.stopped_early
    assert [point.step for point in run.curve] == [1, 2, 3]  # the best, and two that are no better
    assert len({point.validation_loss for point in run.curve}) == 1
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (state["progress"]["best_step"], state["progress"]["worse"]) == (1, 2)
    kept = load_network(tmp_path).state_dict()
    assert all(torch.equal(kept[name], value) for name, value in state["best"].items())


def test_given_published_weights_when_started_from_then_their_dice_comes_first(
    images: PreparedSet, tmp_path: Path
) -> None:
    recipe = replace(small("unet"), volume_images=0)  # the curve is of what the biases were before
    train(recipe, images, tmp_path / "before", budget=Budget(steps=2))
    weights = load_file(tmp_path / "before" / NETWORK)
    (tmp_path / "weights" / "unet").mkdir(parents=True)
    half = {name: value.half() for name, value in weights.items()}
    save_file(half, tmp_path / "weights" / "unet" / "model.safetensors")

    run = train(
        recipe,
        images,
        tmp_path / "after",
        budget=Budget(steps=1),
        from_weights=tmp_path / "weights",
    )

    before = TrainingRecord.read(tmp_path / "before").curve[-1]
    assert run.from_weights
    assert [point.step for point in run.curve] == [0, 1]
    assert run.curve[0].train_loss is None
    assert run.curve[0].validation_dice == pytest.approx(before.validation_dice, abs=0.02)


def test_given_published_weights_when_trained_on_then_no_first_steps_spoil_them(
    images: PreparedSet, tmp_path: Path
) -> None:
    """At half resolution the top block learns nothing; so a step that moves it was none of those."""
    (tmp_path / "weights" / "unet").mkdir(parents=True)
    begun = {name: value.half() for name, value in build_unet().state_dict().items()}
    save_file(begun, tmp_path / "weights" / "unet" / "model.safetensors")
    recipe = replace(small("unet"), trunk_steps=1000, ema_decay=None)
    out, weights = tmp_path / "out", tmp_path / "weights"

    train(recipe, images, out, budget=Budget(steps=1), from_weights=weights)
    first = load_file(out / NETWORK)
    train(recipe, images, out, budget=Budget(steps=2))  # gone on with, the weights not named
    second = load_file(out / NETWORK)

    last = "model.2.1.conv.unit0.conv.weight"
    assert not torch.equal(first[last], begun[last].float())
    assert not torch.equal(second[last], first[last])


def test_given_a_checkpoint_of_another_network_when_resumed_then_it_is_refused(
    images: PreparedSet, tmp_path: Path
) -> None:
    train(small("unet"), images, tmp_path, budget=Budget(steps=1))
    with pytest.raises(BadRequest, match=r"is of unet \(modern\), not of highresnet"):
        train(small("highresnet"), images, tmp_path)


def test_given_no_training_images_then_it_says_what_to_do(tmp_path: Path) -> None:
    empty = made_up_cohort(tmp_path / "prepared", parts={"val": 1})
    with pytest.raises(BadRequest, match="run parcela prepare first"):
        train(small("unet"), empty, tmp_path / "out")


@pytest.mark.parametrize(("asked", "expected"), [(3, 3), (None, 1)])
def test_given_threads_when_trained_then_they_win_over_the_setting(
    asked: int | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    empty = made_up_cohort(tmp_path / "prepared", parts={"val": 1})

    with pytest.raises(BadRequest):
        train(small("unet"), empty, tmp_path / "out", threads=asked)

    assert seen == [expected]


def test_given_a_further_preparation_when_trained_then_its_masks_are_counted(
    images: PreparedSet, tmp_path: Path
) -> None:
    parts = {"train": 2, "val": 1}
    other = made_up_cohort(tmp_path / "also", parts=parts)
    other = replace(other, rows=tuple({**row, "mask_from": "deepbet"} for row in other.rows))

    train(small("unet"), images, tmp_path / "out", also=[other], budget=Budget(steps=1))

    state = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert state["progress"]["also_masks"] == {"deepbet": 2}


def test_given_a_preparation_of_other_images_when_trained_with_then_it_is_refused(
    images: PreparedSet, tmp_path: Path
) -> None:
    other = made_up_cohort(tmp_path / "also", parts={"val": 3, "train": 1})
    with pytest.raises(BadRequest, match="holds none of the training images"):
        train(small("unet"), images, tmp_path / "out", also=[other])


def test_given_a_folder_without_weights_when_started_from_then_it_is_named(
    images: PreparedSet, tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="no weights of unet in it"):
        train(small("unet"), images, tmp_path / "out", from_weights=tmp_path)


def test_given_a_run_then_its_curve_is_a_table_and_a_picture(
    drawn: None, images: PreparedSet, tmp_path: Path
) -> None:
    train(small("unet"), images, tmp_path, budget=Budget(steps=1))
    table = (tmp_path / "curve.tsv").read_text().splitlines()
    assert table[0].split("\t")[:4] == ["step", "epoch", "learning_rate", "train_loss"]
    assert len(table) == 2
    picture = (tmp_path / "curve.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert b"tEXt" not in picture
