"""A training run's state on disk: what resuming needs to go on exactly where it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from parcela_training.presets import Settings


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
    """How far a run has come."""

    step: int = 0
    seconds: float = 0.0


def save(
    path: Path,
    modules: nn.Module,
    average: Average,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    progress: Progress,
    settings: Settings,
) -> None:
    """Write the whole state, complete or not at all."""
    part = path.with_suffix(".part")
    state = {
        "modules": modules.state_dict(),
        "average": average.state,
        "optimiser": optimiser.state_dict(),
        "generator": generator.get_state(),
        "progress": asdict(progress),
        "settings": asdict(settings),
    }
    torch.save(state, part)
    part.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Read what ``save`` wrote; nothing but tensors and plain values is unpickled."""
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def add_history(run: Path, start: int, steps: int, settings: Settings) -> None:
    """Note with what settings, from which step and towards how many a run was (re)started."""
    line = {"from_step": start, "planned_steps": steps, "settings": asdict(settings)}
    with (run / "history.jsonl").open("a") as history:
        history.write(json.dumps(line) + "\n")


def read_history(run: Path) -> list[dict[str, Any]]:
    """The run's starts, oldest first."""
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def plain(settings: Settings) -> dict[str, Any]:
    """The settings as plain values, for a card."""
    return asdict(settings)
