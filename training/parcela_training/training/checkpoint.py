"""A training run's state on disk: what resuming needs to go on exactly where it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from parcela.errors import BadRequest
from parcela.files import atomic_file
from parcela_training.training.recipe import Settings, plain

FILE = "checkpoint.pt"
HISTORY = "history.jsonl"


class Average:
    """An exponential moving average of a module's parameters and buffers."""

    def __init__(self, module: nn.Module) -> None:
        self.state = {name: value.detach().clone() for name, value in _floating(module)}

    @torch.no_grad()
    def update(self, module: nn.Module, decay: float) -> None:
        """Move towards the module; counters and other integers are not averaged."""
        for name, value in _floating(module):
            self.state[name].lerp_(value, 1 - decay)

    def into(self, module: nn.Module) -> None:
        """Overwrite the module's state with the average."""
        module.load_state_dict(self.state, strict=False)


def _floating(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, v) for name, v in module.state_dict().items() if v.is_floating_point()]


@dataclass(slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        step, images: updates of the weights, and images that they saw.
        seconds: of training and validation, over all sittings.
        losses, counted: the sum of the training losses since the last validation, and their number.
        best_loss, best_step, worse: the best validation loss, where, and validations since then.
        stopped_early: by the rule of the preset.
        from_weights: SHA-256 of the published weights that the run began with.
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
    curve: list[dict[str, float | int | None]] = field(default_factory=list)


def save(path: Path, state: dict[str, Any], progress: Progress, settings: Settings) -> None:
    """Write the whole state, complete or not at all.

    It holds no random numbers: those are a function of the seed and the step.
    """
    with atomic_file(path) as stream:
        torch.save(
            state | {"progress": asdict(progress), "settings": plain(settings)},
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


def check_fits(path: Path, state: dict[str, Any], settings: Settings) -> None:
    """Refuse the checkpoint of another network.

    Raises:
        BadRequest: it is of another network or variant.
    """
    there = state["settings"]
    if (there["model"], there["variant"]) != (settings.model, settings.variant):
        raise BadRequest(
            f"{path} is of {there['model']} ({there['variant']}), not of {settings.model} "
            f"({settings.variant}): choose another folder, or begin anew with --fresh"
        )


def add_history(run: Path, progress: Progress, settings: Settings) -> None:
    """Note with what settings and from which step a run was begun, or gone on with."""
    line = {"from_step": progress.step, "settings": plain(settings)}
    with (run / HISTORY).open("a") as history:
        history.write(json.dumps(line) + "\n")


def read_history(run: Path) -> list[dict[str, Any]]:
    """The run's starts, oldest first."""
    return [json.loads(line) for line in (run / HISTORY).read_text().splitlines()]
