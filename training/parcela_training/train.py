"""Train one of the two networks, in the background, resumable.

    python -m parcela_training.train --model unet --prepared DIR --out RUN --steps N [--resume]

Writes ``RUN/checkpoint.pt`` every few minutes and one line every ten steps to ``RUN/log.tsv``
(time, step, loss, learning rate, seconds). A SIGTERM ends the run after the step, saved.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import signal
import sys
import time
from pathlib import Path

import torch

from parcela_inference.card import Model
from parcela_inference.networks import build_highresnet, build_unet
from parcela_training import checkpoint
from parcela_training.cohort import read_split
from parcela_training.presets import Settings, modern
from parcela_training.samples import Samples
from parcela_training.steps import HighResNetTrainee, Trainee, UNetTrainee

CHECKPOINT_SECONDS = 180.0
LOG_STEPS = 10


class Run:
    """One network, its optimiser, its average and its progress."""

    def __init__(self, settings: Settings, out: Path, steps: int) -> None:
        self.settings, self.out, self.steps = settings, out, steps
        torch.manual_seed(settings.seed)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.trainee = trainee(settings)
        self.modules = self.trainee.modules().to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.average = checkpoint.Average(self.trainee.network)
        self.optimiser = torch.optim.AdamW(
            self.modules.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.progress = checkpoint.Progress()
        self.stopped = False

    def stop(self, *_: object) -> None:
        """Ask the run to end after this step, with its state saved: a signal handler."""
        self.stopped = True

    @property
    def file(self) -> Path:
        """Where the run's state lies."""
        return self.out / "checkpoint.pt"

    def resume(self) -> None:
        """Go on where the last checkpoint was."""
        state = checkpoint.load(self.file)
        self.modules.load_state_dict(state["modules"])
        self.average.state = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.progress = checkpoint.Progress(**state["progress"])

    def save(self) -> None:
        """Write the whole state."""
        checkpoint.save(
            self.file,
            self.modules,
            self.average,
            self.optimiser,
            self.generator,
            self.progress,
            self.settings,
        )

    def train(self, samples: Samples) -> None:
        """Step until the planned number is reached, with a log and checkpoints on the way."""
        self.modules.train()
        saved = time.monotonic()
        losses: list[float] = []
        while self.progress.step < self.steps and not self.stopped:
            losses.append(self.step(samples))
            if self.progress.step % LOG_STEPS == 0:
                self._log(losses)
                losses.clear()
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.save()
                saved = time.monotonic()
        self.save()

    def step(self, samples: Samples) -> float:
        """One volume, one update; returns the loss."""
        started = time.monotonic()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, self.progress.step, self.steps)
        sample = samples.draw(self.generator, self.settings.augmented)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.mixed_precision):
            loss = self.trainee.loss(sample, self.progress.step, self.generator)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters = list(self.modules.parameters())
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip_norm)
        if not norm.isfinite():
            raise FloatingPointError(
                f"the gradient of step {self.progress.step} is not finite: the checkpoint before "
                "it is sound; resume with another seed or a lower learning rate"
            )
        self.optimiser.step()
        self.progress.step += 1
        self.progress.seconds += time.monotonic() - started
        step = self.progress.step
        self.average.update(
            self.trainee.network, min(self.settings.ema_decay, (1 + step) / (10 + step))
        )
        return float(loss.detach())

    def _log(self, losses: list[float]) -> None:
        step, seconds = self.progress.step, self.progress.seconds
        mean = sum(losses) / len(losses)
        rate = self.optimiser.param_groups[0]["lr"]
        with (self.out / "log.tsv").open("a") as log:
            log.write(f"{time.strftime('%F %T')}\t{step}\t{mean:.4f}\t{rate:.2e}\t{seconds:.0f}\n")
        left = seconds / step * (self.steps - step) / 60
        print(
            f"step {step}/{self.steps}  loss {mean:.4f}  {seconds / step:.2f} s/step"
            f"  {left:.0f} min left",
            file=sys.stderr,
            flush=True,
        )


def trainee(settings: Settings) -> Trainee:
    """An untrained network with its step."""
    if settings.model == "unet":
        return UNetTrainee(build_unet(), settings)
    return HighResNetTrainee(build_highresnet(settings.variant), settings)


def learning_rate(settings: Settings, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to zero at the last step."""
    warm = min(1.0, (step + 1) / settings.warm_up_steps)
    return settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="parcela_training.train", description=__doc__)
    parser.add_argument("--model", choices=("unet", "highresnet"), required=True)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trunk-steps", type=int)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model: Model = arguments.model
    settings = modern(model)
    if arguments.trunk_steps is not None:
        settings = dataclasses.replace(settings, trunk_steps=arguments.trunk_steps)
    arguments.out.mkdir(parents=True, exist_ok=True)
    run = Run(settings, arguments.out, arguments.steps)
    if arguments.resume and run.file.exists():
        run.resume()
    checkpoint.add_history(run.out, run.progress.step, run.steps, settings)
    signal.signal(signal.SIGTERM, run.stop)
    run.train(Samples(read_split(arguments.prepared, "train")))


if __name__ == "__main__":
    main()
