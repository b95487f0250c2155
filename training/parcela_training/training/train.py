"""Train one of the two networks: resumable after a kill at any point, on one process or several."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from parcela.files import sha256_of
from parcela.settings import settings as installation
from parcela_training.preparation.prepared import PreparedSet
from parcela_training.training import checkpoint
from parcela_training.training.budget import Budget
from parcela_training.training.curve import CurvePoint, write_curve
from parcela_training.training.distributed import Ranks, ranks
from parcela_training.training.recipe import Settings, without_first_steps
from parcela_training.training.samples import Samples
from parcela_training.training.trained import (
    NETWORK,
    RECORD,
    TrainedRun,
    load_network,
    load_weights,
    read_weights,
    save_network,
)
from parcela_training.training.trainer import Run

__all__ = ["Moment", "TrainedRun", "load_network", "train"]

CHECKPOINT_S = 180.0
TITLES = {"unet": "U-Net", "highresnet": "HighResNet"}


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a run is, after a step or a validation.

    Attributes:
        step, epochs: so far.
        fraction: of the budget.
        seconds_left: by the pace of this sitting; None at first.
        loss: mean of the training loss since the last validation; None right after one.
        validation: the newest row of the curve, right after it was found.
    """

    step: int
    epochs: float
    fraction: float
    seconds_left: float | None
    loss: float | None
    validation: CurvePoint | None = None


Tell = Callable[[Moment], None]


def train(
    settings: Settings,
    prepared: PreparedSet,
    out: Path,
    *,
    budget: Budget | None = None,
    resume: bool = True,
    from_weights: Path | None = None,
    device: str = "cpu",
    on_progress: Tell | None = None,
    checkpoint_s: float = CHECKPOINT_S,
) -> TrainedRun:
    """Train a network on the prepared images of ``train``, judged on those of ``val``.

    ``out`` gets ``checkpoint.pt``, ``history.jsonl``, ``curve.tsv``, ``curve.png`` and at the end
    ``network.safetensors`` and ``trained.json``. Killed and called again, it goes on from the last
    checkpoint, and on a CPU ends with the same bits (a budget in minutes aside). A SIGTERM or Ctrl-C
    ends it after the step, saved.

    Args:
        settings: the recipe; its own budget holds unless ``budget`` is given.
        prepared: the images, from ``prepare``.
        out: one folder per network.
        budget: instead of the recipe's.
        resume: go on from ``out``'s checkpoint; False: begin anew.
        from_weights: published weights to begin with, where there is no checkpoint.
        device: ``cpu`` or ``cuda``; the ``parts`` of a recipe are a CPU's.
        on_progress: called after each step and each validation, by the first process alone.
        checkpoint_s: seconds from one checkpoint to the next.

    Raises:
        BadRequest: no images, another network's checkpoint or weights, a batch that cannot be shared.
        StepFailed: the loss is not finite.
        Unavailable: whole volumes too large for a CPU.
    """
    if budget is not None:
        settings = replace(settings, budget=budget)
    torch.set_num_threads(installation().torch_threads)
    out.mkdir(parents=True, exist_ok=True)
    chosen = torch.device("cpu" if settings.step == "parts" else device)
    with ranks(chosen) as group, _interruption() as interruption:
        run = _begin(settings, prepared, out, group, resume, from_weights)
        if not run.finished:
            _go_on(run, out, interruption, Reporter(run, on_progress), checkpoint_s)
        return _end(run, out)


def _begin(
    settings: Settings,
    prepared: PreparedSet,
    out: Path,
    group: Ranks,
    resume: bool,
    from_weights: Path | None,
) -> Run:
    file = out / checkpoint.FILE
    state = checkpoint.load(file) if resume and file.exists() else None
    if state is not None:
        checkpoint.check_fits(file, state, settings)
    if state["progress"]["from_weights"] if state else from_weights:
        settings = without_first_steps(settings)
    files = prepared.files("val")
    wanted = settings.validation_images or len(files)
    train_images = Samples(prepared.files("train"), group.device)
    run = Run(settings, train_images, Samples(_spaced(files, wanted), group.device), group)
    if state is not None:
        run.resume(state)
    elif from_weights is not None:
        _start_from(run, from_weights)
    return run


def _spaced(files: list[Path], wanted: int) -> list[Path]:
    """So many of the files, evenly spaced."""
    count = min(wanted, len(files))
    return [files[place * len(files) // count] for place in range(count)]


def _start_from(run: Run, folder: Path) -> None:
    weights, file = read_weights(folder, run.settings.model)
    load_weights(run.trainee.network, weights, file)
    run.start_from(weights)
    run.progress.from_weights = sha256_of(file)


def _go_on(
    run: Run, out: Path, interruption: Interruption, reporter: Reporter, checkpoint_s: float
) -> None:
    """Step until the budget is used up; a checkpoint holds no step without its validation."""
    first = run.ranks.first
    if first:
        for stale in (RECORD, NETWORK):
            (out / stale).unlink(missing_ok=True)
        checkpoint.add_history(out, run.progress, run.settings)
    if run.progress.from_weights and not run.progress.curve:
        reporter.validated(run.validate())
    run.trainee.train()
    saved = time.monotonic()
    while not run.finished:
        stop = run.step(stop=interruption.wanted)
        reporter.stepped()
        if validated := run.validation_due:
            reporter.validated(run.validate())
        if first and (validated or stop or time.monotonic() - saved >= checkpoint_s):
            run.save(out)
            saved = time.monotonic()
        if first and validated:
            _write_curve(run, out)
        if stop and not run.finished:
            raise SystemExit(128 + (interruption.signal or signal.SIGTERM))


def _write_curve(run: Run, out: Path) -> None:
    write_curve(out, _curve(run), TITLES[run.settings.model])


def _curve(run: Run) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(**row) for row in run.progress.curve)  # type: ignore[arg-type]


def _end(run: Run, out: Path) -> TrainedRun:
    """The record and the network of a finished run; found, not made again, on a later call."""
    progress = run.progress
    trained = TrainedRun(
        settings=run.settings,
        steps=progress.step,
        epochs=run.epochs,
        hours=progress.seconds / 3600,
        stopped_early=progress.stopped_early,
        training_images=len(run.train),
        validation_images=len(run.val),
        device=str(run.ranks.device),
        processes=run.ranks.count,
        from_weights=progress.from_weights,
        curve=_curve(run),
    )
    if run.ranks.first and not (out / RECORD).exists():
        _write_curve(run, out)
        save_network(out, run.result().cpu())
        trained.save(out)
    return trained


class Reporter:
    """Tells the caller where the run is, with the time left by the pace of this sitting."""

    def __init__(self, run: Run, tell: Tell | None) -> None:
        self._run = run
        self._tell = tell if run.ranks.first else None
        self._began, self._fraction = time.monotonic(), run.fraction

    def stepped(self) -> None:
        """After a step."""
        progress = self._run.progress
        self._say(progress.losses / progress.counted, None)

    def validated(self, point: CurvePoint) -> None:
        """After a validation."""
        self._say(None, point)

    def _say(self, loss: float | None, point: CurvePoint | None) -> None:
        if self._tell is None:
            return
        run, fraction = self._run, self._run.fraction
        done = fraction - self._fraction
        left = (time.monotonic() - self._began) / done * (1 - fraction) if done > 0 else None
        self._tell(Moment(run.progress.step, run.epochs, fraction, left, loss, point))


@dataclass(slots=True)
class Interruption:
    """Which signal asked the run to end, if any."""

    signal: int | None = None

    @property
    def wanted(self) -> bool:
        """Whether the run shall end after this step."""
        return self.signal is not None

    def note(self, number: int, _frame: object) -> None:
        """A signal handler."""
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
