"""One training run: a network, its optimiser, its average, its progress; and one step of it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from monai.networks.nets import HighResNet
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from parcela.errors import BadRequest, StepFailed
from parcela.imaging.geometry import Shape
from parcela_inference.registration.network import RegistrationNetwork
from parcela_training.registration.regions import learn_regions
from parcela_training.training import checkpoint
from parcela_training.training.batch_norm import reestimate
from parcela_training.training.curve import CurvePoint
from parcela_training.training.distributed import ProcessGroup
from parcela_training.training.objectives import training_step
from parcela_training.training.recipe import Recipe
from parcela_training.training.record import clone, result
from parcela_training.training.samples import Samples
from parcela_training.training.validation import validate
from parcela_training.training.volumes import balance_volumes

SMALLEST_BF16 = 32
LATE = 0.7  # of the budget, before the schedule of that name falls

T = TypeVar("T")
OnImage = Callable[[int, int], None]  # used so far, of how many


class Trainer:
    """Everything that changes while a network is trained; ``state`` is all that a checkpoint needs."""

    def __init__(self, recipe: Recipe, train: Samples, val: Samples, group: ProcessGroup) -> None:
        if recipe.batch % group.count:
            raise BadRequest(
                f"a batch of {recipe.batch} cannot be shared among {group.count} processes: choose "
                "a multiple with --batch, or fewer processes"
            )
        self.recipe, self.train, self.val, self.group = recipe, train, val, group
        torch.manual_seed(recipe.seed)
        self.training_step = training_step(recipe).to(group.device)
        if recipe.preset != "thesis":
            self.training_step.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.module = group.distributed(self.training_step, unused=recipe.step == "parts")
        self.evaluated = self.training_step
        self.average = self._averaged()
        self.best: dict[str, Tensor] | None = None
        self.optimiser = _optimiser(recipe, self.training_step)
        self._type = autocast_type(recipe, group.device, train.shape)
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=self._type == torch.float16)
        self.progress = checkpoint.TrainingState()

    def _averaged(self) -> AveragedModel | None:
        """The average, begun with the present weights; it is what will be evaluated."""
        if self.recipe.ema_decay is None:
            return None
        average = checkpoint.averaged(self.training_step.network, self.recipe.ema_decay)
        self.evaluated = copy.deepcopy(self.training_step)
        self.evaluated.network = average.module
        return average

    # ---------------------------------------------------------------------------- state

    def state(self) -> dict[str, Any]:
        """Everything but the recipe and the progress, for a checkpoint."""
        return {
            "modules": self.training_step.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "best": self.best,
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.training_step.load_state_dict(state["modules"])
        if self.average and state["average"]:
            self.average.load_state_dict(state["average"])
        self.best = state["best"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.progress = checkpoint.TrainingState(**state["progress"])

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Begin with published weights; the average begins with them too."""
        self.training_step.network.load_state_dict(weights)
        self.average = self._averaged()

    def save(self, folder: Path) -> None:
        """Write everything that continuing needs to the checkpoint."""
        checkpoint.save(folder / checkpoint.FILE, self.state(), self.progress, self.recipe)

    # ------------------------------------------------------------------------- progress

    @property
    def epochs(self) -> float:
        """Passes over the training images so far."""
        return self.progress.images / len(self.train)

    @property
    def fraction(self) -> float:
        """The share of the budget that is used, from 0."""
        return self.recipe.budget.fraction(self.epochs, self.progress.step, self.progress.seconds)

    @property
    def finished(self) -> bool:
        """Whether the budget is used up, or the run stopped early."""
        return self.progress.stopped_early or self.fraction >= 1

    @property
    def validation_due(self) -> bool:
        """Whether to validate: after the last step, and whenever the preset's so many epochs are over."""
        span = self.recipe.validate_every * len(self.train)
        before = self.progress.images - self.recipe.batch
        return self.fraction >= 1 or self.progress.images // span > before // span

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return learning_rate(self.recipe, self.progress.step, self.fraction)

    # ----------------------------------------------------------------------------- work

    def step(self, *, stop: bool = False) -> bool:
        """One batch, one update.

        Returns whether any rank wants to stop, of which ``stop`` tells for this one.

        Raises:
            StepFailed: the loss or the gradient is not finite.
        """
        began, recipe = time.monotonic(), self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate
        share = recipe.batch // self.group.count
        first = self.progress.images + self.group.rank * share
        samples = [
            self.train.at(place, recipe.seed, recipe.augmentation)
            for place in range(first, first + share)
        ]
        with self.mixed():
            loss = self.module(samples, self.progress.step)
        self._update(loss)
        mean = float(self.group.total(loss.detach().double())) / self.group.count
        self._check(mean)
        self.progress.step += 1
        self.progress.images += recipe.batch
        self.progress.losses += mean
        self.progress.counted += 1
        if self.average:
            self.average.update_parameters(self.training_step.network)
        return self._agree(began, stop)

    def _update(self, loss: Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimiser)
            norm = nn.utils.clip_grad_norm_(self.training_step.parameters(), self.recipe.clip_norm)
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
        self.progress.seconds, anyone = self.group.maximum(seconds, float(stop))
        return bool(anyone)

    def validate(self) -> CurvePoint:
        """Judge what would be the result now; the next row of the curve, and the early stopping's count."""
        began, progress = time.monotonic(), self.progress
        with self.mixed():
            validation = validate(self.evaluated, self.val, progress.step, self.group)
        self._remember(validation.loss)
        self._agree(began, False)
        point = CurvePoint(
            progress.step,
            self.epochs,
            float(self.optimiser.param_groups[0]["lr"]) if progress.step else 0.0,
            progress.losses / progress.counted if progress.counted else None,
            validation.loss,
            validation.dice,
            validation.regions_missing,
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
                self.best = clone(self.training_step.network)
        else:
            progress.worse += 1
        patience = self.recipe.patience
        progress.stopped_early = patience is not None and progress.worse > patience

    def result(self, on_image: OnImage) -> nn.Module:
        """The network to keep, in evaluation mode: what is set last, by some training images, included."""
        state = self.state() | {
            "settings": {"model": self.recipe.model, "variant": self.recipe.variant}
        }
        network = result(state).to(self.group.device)
        mixed, train, recipe = self._type is not None, self.train, self.recipe
        if isinstance(network, HighResNet) and self.average and recipe.norm_images:
            images = min(recipe.norm_images, len(train))
            reestimate(network, _told(train.shuffled(images), images, on_image), mixed)
        if recipe.volume_images:
            images = min(recipe.volume_images, len(train))
            if isinstance(network, RegistrationNetwork):
                images -= 1 - images % 2
                learn_regions(network, _told(train.heads(images), images, on_image), mixed)
            else:
                balance_volumes(network, _told(train.heads(images), images, on_image), mixed)
        return network

    def mixed(self) -> AbstractContextManager[Any]:
        """Autocast as the recipe and the device have it."""
        return torch.autocast(
            self.group.device.type, self._type or torch.bfloat16, enabled=self._type is not None
        )


def _told(images: Iterable[T], count: int, on_image: OnImage) -> Iterator[T]:
    """The same images; after each has been used, how many of them have been."""
    for done, image in enumerate(images, start=1):
        yield image
        on_image(done, count)


def _optimiser(recipe: Recipe, module: nn.Module) -> torch.optim.Optimizer:
    kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.AdamW
    return kind(module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def autocast_type(recipe: Recipe, device: torch.device, shape: Shape) -> torch.dtype | None:
    """What autocast uses; None: float32. Float16 needs CUDA, and scaled gradients.

    On a CPU bf16 needs a grid above 32 voxels along each axis: of convolutions over two voxels, such
    as the U-Net's deepest there, oneDNN's bf16 gradients are infinite or wrong (PyTorch 2.13).
    """
    if recipe.precision == "float16" and device.type == "cuda":
        return torch.float16
    sound = device.type == "cuda" or min(shape) > SMALLEST_BF16
    return torch.bfloat16 if recipe.precision == "bfloat16" and sound else None


def learning_rate(recipe: Recipe, step: int, fraction: float) -> float:
    """Linear warm-up, then as the schedule has it; but for ``constant``, zero at the end of the budget."""
    warm = min(1.0, (step + 1) / recipe.warm_up_steps) if recipe.warm_up_steps else 1.0
    falls = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * fraction)),
        "late": min(1.0, (1 - fraction) / (1 - LATE)),
    }
    return recipe.learning_rate * warm * falls[recipe.schedule]
