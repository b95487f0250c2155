"""Train one of the networks: resumable after a kill at any point, on one process or several."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from parcela.errors import BadRequest
from parcela.files import sha256_of
from parcela.processes.lean import keep_memory
from parcela.settings import settings as installation
from parcela_training.options import TITLES
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.training import checkpoint
from parcela_training.training.budget import Budget
from parcela_training.training.curve import CurvePoint, write_curve
from parcela_training.training.distributed import ProcessGroup, process_group
from parcela_training.training.recipe import Recipe, without_first_steps
from parcela_training.training.record import (
    NETWORK,
    RECORD,
    TrainingRecord,
    load_network,
    load_weights,
    read_weights,
    save_network,
)
from parcela_training.training.samples import Samples
from parcela_training.training.trainer import Trainer

__all__ = ["TrainingProgress", "TrainingRecord", "load_network", "train"]

CHECKPOINT_S = 180.0


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a run is, after a step or a validation.

    Attributes:
        step, epochs: so far.
        fraction: of the budget.
        seconds_left: by the pace of this sitting; None at first.
        loss: mean of the training loss since the last validation; None right after one.
        validation: the newest row of the curve, right after it was found.
        finishing: after the last step, how many training images of how many have been used to set what is set last.
    """

    step: int
    epochs: float
    fraction: float
    seconds_left: float | None
    loss: float | None
    validation: CurvePoint | None = None
    finishing: tuple[int, int] | None = None


OnProgress = Callable[[TrainingProgress], None]


def train(
    recipe: Recipe,
    prepared: PreparedSet,
    out: Path,
    *,
    budget: Budget | None = None,
    resume: bool = True,
    from_weights: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
    also: Sequence[PreparedSet] = (),
    on_progress: OnProgress | None = None,
    checkpoint_s: float = CHECKPOINT_S,
) -> TrainingRecord:
    """Train a network on the prepared images of ``train``, judged on those of ``val``.

    ``out`` gets ``checkpoint.pt``, ``history.jsonl``, ``curve.tsv``, ``curve.png`` and at the end
    ``network.safetensors`` and ``trained.json``. Killed and called again, it goes on from the last
    checkpoint, and on a CPU ends with the same bits (a budget in minutes aside). A SIGTERM or Ctrl-C
    ends it after the step, saved. The process keeps the memory that it frees from then on.

    Args:
        recipe: the recipe; its own budget holds unless ``budget`` is given.
        prepared: the images, from ``prepare``.
        out: one folder per network.
        budget: instead of the recipe's.
        resume: go on from ``out``'s checkpoint; False: begin anew.
        from_weights: published weights to begin with, where there is no checkpoint.
        device: ``cpu`` or ``cuda``; the ``parts`` of a recipe are a CPU's.
        threads: of PyTorch on a CPU; None: the installation's setting.
        also: further preparations of the same images, such as with other brain masks: each epoch draws one of an
            image's for training. The validation stays with ``prepared``.
        on_progress: called after each step and each validation, by the first process alone.
        checkpoint_s: seconds from one checkpoint to the next.

    Raises:
        BadRequest: no images, another network's checkpoint or weights, a batch that cannot be shared.
        StepFailed: the loss is not finite.
        Unavailable: whole volumes too large for a CPU.
    """
    if budget is not None:
        recipe = replace(recipe, budget=budget)
    keep_memory()
    torch.set_num_threads(threads or installation().torch_threads)
    out.mkdir(parents=True, exist_ok=True)
    chosen = torch.device("cpu" if recipe.step == "parts" else device)
    with process_group(chosen) as group:
        with _interruption() as interruption:
            trainer = _begin(recipe, prepared, also, out, group, resume, from_weights)
            reporter = Reporter(trainer, on_progress)
            if not trainer.finished:
                _go_on(trainer, out, interruption, reporter, checkpoint_s)
        return _end(trainer, out, reporter)


def _begin(
    recipe: Recipe,
    prepared: PreparedSet,
    also: Sequence[PreparedSet],
    out: Path,
    group: ProcessGroup,
    resume: bool,
    from_weights: Path | None,
) -> Trainer:
    file = out / checkpoint.FILE
    state = checkpoint.load(file) if resume and file.exists() else None
    if state is not None:
        checkpoint.check_fits(file, state, recipe)
    if state["progress"]["from_weights"] if state else from_weights:
        recipe = without_first_steps(recipe)
    files = prepared.files("val")
    wanted = recipe.validation_images or len(files)
    others = _others(prepared, also)
    train_images = Samples(prepared.files("train"), group.device, others)
    trainer = Trainer(recipe, train_images, Samples(_spaced(files, wanted), group.device), group)
    if state is not None:
        trainer.resume(state)
    elif from_weights is not None:
        _start_from(trainer, from_weights)
    ids = set(prepared.ids("train"))
    rows = [row for each in also for row in each.of("train") if row["id"] in ids]
    trainer.progress.also_masks = dict(Counter(row["mask_from"] for row in rows))
    return trainer


def _others(prepared: PreparedSet, also: Sequence[PreparedSet]) -> dict[Path, list[Path]]:
    """Where else the training images were prepared, by their file."""
    first = prepared.files_by_id("train")
    further = [each.files_by_id("train") for each in also]
    for each, files in zip(also, further, strict=True):
        if not first.keys() & files.keys():
            raise BadRequest(
                f"{each.folder}: holds none of the training images of {prepared.folder}: give another preparation "
                "of the same cohort"
            )
    return {
        file: [files[name] for files in further if name in files] for name, file in first.items()
    }


def _spaced(files: list[Path], wanted: int) -> list[Path]:
    """At most ``wanted`` of the files, evenly spaced."""
    count = min(wanted, len(files))
    return [files[place * len(files) // count] for place in range(count)]


def _start_from(trainer: Trainer, folder: Path) -> None:
    weights, file = read_weights(folder, trainer.recipe.model)
    load_weights(trainer.training_step.network, weights, file)
    trainer.start_from(weights)
    trainer.progress.from_weights = sha256_of(file)


def _go_on(
    trainer: Trainer, out: Path, interruption: Interruption, reporter: Reporter, checkpoint_s: float
) -> None:
    """Step until the budget is used up; a checkpoint holds no step without its validation."""
    first = trainer.group.first
    if first:
        for stale in (RECORD, NETWORK):
            (out / stale).unlink(missing_ok=True)
        checkpoint.add_history(out, trainer.progress, trainer.recipe)
    if trainer.progress.from_weights and not trainer.progress.curve:
        reporter.validated(trainer.validate())
    trainer.training_step.train()
    saved = time.monotonic()
    while not trainer.finished:
        stop = trainer.step(stop=interruption.wanted)
        reporter.stepped()
        if validated := trainer.validation_due:
            reporter.validated(trainer.validate())
        if first and (validated or stop or time.monotonic() - saved >= checkpoint_s):
            trainer.save(out)
            saved = time.monotonic()
        if first and validated:
            _write_curve(trainer, out)
        if stop and not trainer.finished:
            raise SystemExit(128 + (interruption.signal or signal.SIGTERM))


def _write_curve(trainer: Trainer, out: Path) -> None:
    write_curve(out, _curve(trainer), TITLES[trainer.recipe.model])


def _curve(trainer: Trainer) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(**row) for row in trainer.progress.curve)  # type: ignore[arg-type]


def _end(trainer: Trainer, out: Path, reporter: Reporter) -> TrainingRecord:
    """The record and the network of a finished run; found, not made again, on a later call.

    All steps are saved: a signal may end it at once.
    """
    progress = trainer.progress
    trained = TrainingRecord(
        recipe=trainer.recipe,
        steps=progress.step,
        epochs=trainer.epochs,
        hours=progress.seconds / 3600,
        stopped_early=progress.stopped_early,
        training_images=len(trainer.train),
        validation_images=len(trainer.val),
        device=str(trainer.group.device),
        processes=trainer.group.count,
        from_weights=progress.from_weights,
        curve=_curve(trainer),
    )
    if trainer.group.first and not (out / RECORD).exists():
        _write_curve(trainer, out)
        save_network(out, trainer.result(reporter.finishing).cpu())
        trained.save(out)
    return trained


class Reporter:
    """Tells the caller where the run is, with the time left by the pace of this sitting."""

    def __init__(self, trainer: Trainer, on_progress: OnProgress | None) -> None:
        self._trainer = trainer
        self._on_progress = on_progress if trainer.group.first else None
        self._began, self._fraction = time.monotonic(), trainer.fraction

    def stepped(self) -> None:
        """Report the progress after a step."""
        progress = self._trainer.progress
        self._report(progress.losses / progress.counted, None)

    def validated(self, point: CurvePoint) -> None:
        """Report the progress after a validation."""
        self._report(None, point)

    def finishing(self, done: int, of: int) -> None:
        """Report that so many images have been used after the last step."""
        self._report(None, None, (done, of))

    def _report(
        self,
        loss: float | None,
        point: CurvePoint | None,
        finishing: tuple[int, int] | None = None,
    ) -> None:
        if self._on_progress is None:
            return
        trainer, fraction = self._trainer, self._trainer.fraction
        done = fraction - self._fraction
        left = (time.monotonic() - self._began) / done * (1 - fraction) if done > 0 else None
        self._on_progress(
            TrainingProgress(
                trainer.progress.step, trainer.epochs, fraction, left, loss, point, finishing
            )
        )


@dataclass(slots=True)
class Interruption:
    """Which signal asked the run to end, if any."""

    signal: int | None = None

    @property
    def wanted(self) -> bool:
        """Whether the run shall end after this step."""
        return self.signal is not None

    def note(self, number: int, _frame: object) -> None:
        """The signal handler that notes which signal came."""
        self.signal = number


@contextmanager
def _interruption() -> Iterator[Interruption]:
    """SIGTERM and Ctrl-C end the run after its step, saved; in a thread they stay the caller's."""
    interruption = Interruption()
    handled = (signal.SIGTERM, signal.SIGINT)
    try:
        before = [signal.signal(number, interruption.note) for number in handled]
    except ValueError:  # not the main thread
        yield interruption
        return
    try:
        yield interruption
    finally:
        for number, handler in zip(handled, before, strict=True):
            signal.signal(number, handler)
