"""One training run: a network, its optimiser, its average, its progress; and one step of it."""

from __future__ import annotations

import copy
import math
import time
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import HighResNet
from torch import Tensor, nn

from parcela.errors import BadRequest, StepFailed
from parcela.imaging.geometry import Shape
from parcela_training.networks.batch_norm import reestimate
from parcela_training.networks.objectives import trainee
from parcela_training.training import checkpoint
from parcela_training.training.curve import CurvePoint
from parcela_training.training.distributed import Ranks
from parcela_training.training.recipe import Settings
from parcela_training.training.samples import Samples
from parcela_training.training.trained import clone, result
from parcela_training.training.validation import validate

SMALLEST_BF16 = 32


class Run:
    """Everything that changes while a network is trained; ``state`` is all that a checkpoint needs."""

    def __init__(self, settings: Settings, train: Samples, val: Samples, ranks: Ranks) -> None:
        if settings.batch % ranks.count:
            raise BadRequest(
                f"a batch of {settings.batch} cannot be shared among {ranks.count} processes: choose "
                "a multiple with --batch, or fewer processes"
            )
        self.settings, self.train, self.val, self.ranks = settings, train, val, ranks
        torch.manual_seed(settings.seed)
        self.trainee = trainee(settings).to(ranks.device)
        if settings.preset != "thesis":
            self.trainee.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.module = ranks.joined(self.trainee, unused=settings.step == "parts")
        averaged = settings.ema_decay is not None
        self.average = checkpoint.Average(self.trainee.network) if averaged else None
        self.judged = copy.deepcopy(self.trainee) if averaged else self.trainee
        self.best: dict[str, Tensor] | None = None
        self.optimiser = _optimiser(settings, self.trainee)
        self._type = autocast_type(settings, ranks.device, train.shape)
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=self._type == torch.float16)
        self.progress = checkpoint.Progress()

    # ---------------------------------------------------------------------------- state

    def state(self) -> dict[str, Any]:
        """Everything but the settings and the progress, for a checkpoint."""
        return {
            "modules": self.trainee.state_dict(),
            "average": self.average.state if self.average else None,
            "best": self.best,
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.trainee.load_state_dict(state["modules"])
        if self.average and state["average"]:
            for name, value in state["average"].items():
                self.average.state[name].copy_(value)
        self.best = state.get("best")
        self.optimiser.load_state_dict(state["optimiser"])
        if state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        # A checkpoint that counts no images had one in each step.
        self.progress = checkpoint.Progress(
            **{"images": state["progress"]["step"]} | state["progress"]
        )

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Begin with published weights; the average begins with them too."""
        self.trainee.network.load_state_dict(weights)
        if self.average:
            self.average = checkpoint.Average(self.trainee.network)

    def save(self, folder: Path) -> None:
        """Write the checkpoint."""
        checkpoint.save(folder / checkpoint.FILE, self.state(), self.progress, self.settings)

    # ------------------------------------------------------------------------- progress

    @property
    def epochs(self) -> float:
        """Passes over the training images so far."""
        return self.progress.images / len(self.train)

    @property
    def fraction(self) -> float:
        """Of the budget."""
        return self.settings.budget.fraction(self.epochs, self.progress.step, self.progress.seconds)

    @property
    def finished(self) -> bool:
        """Whether the budget is used up, or the run stopped early."""
        return self.progress.stopped_early or self.fraction >= 1

    @property
    def validation_due(self) -> bool:
        """After the last step, and whenever the preset's so many epochs are over."""
        span = self.settings.validate_every * len(self.train)
        before = self.progress.images - self.settings.batch
        return self.fraction >= 1 or self.progress.images // span > before // span

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return learning_rate(self.settings, self.progress.step, self.fraction)

    # ----------------------------------------------------------------------------- work

    def step(self, *, stop: bool = False) -> bool:
        """One batch, one update.

        Returns whether any rank wants to stop, of which ``stop`` tells for this one.

        Raises:
            StepFailed: the loss or the gradient is not finite.
        """
        began, settings = time.monotonic(), self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate
        share = settings.batch // self.ranks.count
        first = self.progress.images + self.ranks.rank * share
        samples = [
            self.train.at(place, settings.seed, settings.augmentation)
            for place in range(first, first + share)
        ]
        with self.mixed():
            loss = self.module(samples, self.progress.step)
        self._update(loss)
        mean = float(self.ranks.total(loss.detach().double())) / self.ranks.count
        self._check(mean)
        self.progress.step += 1
        self.progress.images += settings.batch
        self.progress.losses += mean
        self.progress.counted += 1
        if self.average and settings.ema_decay:
            step = self.progress.step
            self.average.update(
                self.trainee.network, min(settings.ema_decay, (1 + step) / (10 + step))
            )
        return self._agree(began, stop)

    def _update(self, loss: Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.settings.clip_norm is not None:
            self.scaler.unscale_(self.optimiser)
            norm = nn.utils.clip_grad_norm_(self.trainee.parameters(), self.settings.clip_norm)
            if not self.scaler.is_enabled():
                self._check(float(norm))
        self.scaler.step(self.optimiser)
        self.scaler.update()

    def _check(self, value: float) -> None:
        if not math.isfinite(value):
            raise StepFailed(
                f"the loss or gradient of step {self.progress.step} is not finite: the checkpoint before it is "
                "sound; repeat the command to go on from there with a lower --learning-rate"
            )

    def _agree(self, began: float, stop: bool) -> bool:
        seconds = self.progress.seconds + time.monotonic() - began
        self.progress.seconds, anyone = self.ranks.most(seconds, float(stop))
        return bool(anyone)

    def validate(self) -> CurvePoint:
        """Judge what would be the result now; the next row of the curve, and the early stopping's count."""
        began, progress = time.monotonic(), self.progress
        if self.average:
            self.average.into(self.judged.network)
        with self.mixed():
            found = validate(self.judged, self.val, progress.step, self.ranks)
        self._remember(found.loss)
        self._agree(began, False)
        point = CurvePoint(
            progress.step,
            self.epochs,
            float(self.optimiser.param_groups[0]["lr"]) if progress.step else 0.0,
            progress.losses / progress.counted if progress.counted else None,
            found.loss,
            found.dice,
            found.regions_missing,
            round(progress.seconds, 1),
        )
        progress.losses, progress.counted = 0.0, 0
        progress.curve.append(asdict(point))
        return point

    def _remember(self, loss: float) -> None:
        """The thesis's rule: stop when the count of validations without a better loss exceeds its limit."""
        progress = self.progress
        if progress.best_loss is None or loss < progress.best_loss:
            progress.best_loss, progress.best_step, progress.worse = loss, progress.step, 0
            if not self.average:
                self.best = clone(self.trainee.network)
        else:
            progress.worse += 1
        patience = self.settings.patience
        progress.stopped_early = patience is not None and progress.worse > patience

    def result(self) -> nn.Module:
        """The network to keep, in evaluation mode."""
        state = self.state() | {
            "settings": {"model": self.settings.model, "variant": self.settings.variant}
        }
        network = result(state).to(self.ranks.device)
        if isinstance(network, HighResNet) and self.average and self.settings.norm_images:
            images = min(self.settings.norm_images, len(self.train))
            reestimate(network, self.train, images, None, self._type is not None)
        return network

    def mixed(self) -> AbstractContextManager[Any]:
        """Autocast as the settings and the device have it."""
        return torch.autocast(
            self.ranks.device.type, self._type or torch.bfloat16, enabled=self._type is not None
        )


def _optimiser(settings: Settings, module: nn.Module) -> torch.optim.Optimizer:
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return kind(module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


def autocast_type(settings: Settings, device: torch.device, shape: Shape) -> torch.dtype | None:
    """What autocast uses; None: float32. Float16 needs CUDA, and scaled gradients.

    On a CPU bf16 needs a grid above 32 voxels along each axis: of convolutions over two voxels, such
    as the U-Net's deepest there, oneDNN's bf16 gradients are infinite or wrong (PyTorch 2.13).
    """
    if settings.precision == "float16" and device.type == "cuda":
        return torch.float16
    sound = device.type == "cuda" or min(shape) > SMALLEST_BF16
    return torch.bfloat16 if settings.precision == "bfloat16" and sound else None


def learning_rate(settings: Settings, step: int, fraction: float) -> float:
    """Linear warm-up, then constant, or a cosine to zero at the end of the budget."""
    warm = min(1.0, (step + 1) / settings.warm_up_steps) if settings.warm_up_steps else 1.0
    fall = 0.5 * (1 + math.cos(math.pi * fraction)) if settings.schedule == "cosine" else 1.0
    return settings.learning_rate * warm * fall
