"""A training run's state on disk: what resuming needs to go on exactly where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from parcela.errors import BadRequest
from parcela.files import atomic_file
from parcela_training.jsonable import to_jsonable
from parcela_training.training.recipe import Recipe

FILE = "checkpoint.pt"
HISTORY = "history.jsonl"


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A network whose parameters and buffers are the moving averages of another's, beginning with its present ones.

    The n-th step's weight is 1 − min(decay, (1 + n) / (10 + n)), so that the first steps are soon forgotten.
    """

    def update(
        averages: tuple[Tensor, ...] | list[Tensor],
        values: tuple[Tensor, ...] | list[Tensor],
        step: Tensor | int,
    ) -> None:
        share = 1 - min(decay, (1 + int(step)) / (10 + int(step)))
        for average, value in zip(averages, values, strict=True):
            average.lerp_(value, share) if average.is_floating_point() else average.copy_(value)

    model = AveragedModel(network, multi_avg_fn=update, use_buffers=True)
    model.update_parameters(network)
    return model


def part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The state of one module of those that a state holds, such as ``network``."""
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }


@dataclass(slots=True)
class TrainingState:
    """How far a run has come.

    Attributes:
        step, images: updates of the weights, and images that they saw.
        seconds: of training and validation, over all sittings.
        losses, counted: the sum of the training losses since the last validation, and their number.
        best_loss, best_step, worse: the best validation loss, where, and validations since then.
        stopped_early: by the rule of the preset.
        from_weights: SHA-256 of the published weights that the run began with.
        also_masks: by what found the brain, how many training images have a further preparation.
        curve: a row for every validation.
    """

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    losses: float = 0.0
    counted: int = 0
    best_loss: float | None = None
    best_step: int = 0
    worse: int = 0
    stopped_early: bool = False
    from_weights: str | None = None
    also_masks: dict[str, int] = field(default_factory=dict)
    curve: list[dict[str, float | int | None]] = field(default_factory=list)


def save(path: Path, state: dict[str, Any], progress: TrainingState, recipe: Recipe) -> None:
    """Write the whole state, complete or not at all.

    It holds no random numbers: those are a function of the seed and the step.
    """
    with atomic_file(path) as stream:
        torch.save(
            state | {"progress": asdict(progress), "settings": to_jsonable(recipe)},
            stream,
        )


def load(path: Path) -> dict[str, Any]:
    """Read what ``save`` wrote; nothing but tensors and plain values is unpickled.

    Raises:
        BadRequest: it is damaged, or something else.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise BadRequest(
            f"{path} is no checkpoint ({error}): remove it to begin the run anew"
        ) from error
    return state


def check_fits(path: Path, state: dict[str, Any], recipe: Recipe) -> None:
    """Refuse the checkpoint of another network.

    Raises:
        BadRequest: it is of another network or variant.
    """
    saved = state["settings"]
    if (saved["model"], saved["variant"]) != (recipe.model, recipe.variant):
        raise BadRequest(
            f"{path} is of {saved['model']} ({saved['variant']}), not of {recipe.model} "
            f"({recipe.variant}): choose another folder, or begin anew with --fresh"
        )


def add_history(run: Path, progress: TrainingState, recipe: Recipe) -> None:
    """Note with what recipe and from which step a run was begun, or gone on with."""
    line = {"from_step": progress.step, "settings": to_jsonable(recipe)}
    with (run / HISTORY).open("a") as history:
        history.write(json.dumps(line) + "\n")


def read_history(run: Path) -> list[dict[str, Any]]:
    """The run's starts, oldest first."""
    return [json.loads(line) for line in (run / HISTORY).read_text().splitlines()]
