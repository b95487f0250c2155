"""How long a network is trained: epochs, steps or minutes, whichever ends first."""

from __future__ import annotations

import re
from dataclasses import dataclass

from parcela.errors import BadRequest

UNITS = {
    "epochs": ("e", "epoch", "epochs"),
    "steps": ("s", "step", "steps"),
    "minutes": ("m", "min", "minute", "minutes"),
    "hours": ("h", "hour", "hours"),
}


@dataclass(frozen=True, slots=True)
class Budget:
    """The end of a training run; at least one of the three is given.

    Attributes:
        epochs: passes over the training images.
        steps: updates of the weights.
        minutes: of training and validation, over all sittings. What is left to the clock cannot be
            repeated exactly; steps and epochs can.
    """

    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse a budget without an end, or one that is over before it begins."""
        given = [value for value in (self.epochs, self.steps, self.minutes) if value is not None]
        if not given or not min(given) > 0:
            raise BadRequest(
                "a budget is a number above 0 of epochs, steps or minutes: such as 10m"
            )

    def fraction(self, epochs: float, steps: int, seconds: float) -> float:
        """How much of it is used up, from 0 to 1."""
        used = [
            done / planned
            for done, planned in (
                (epochs, self.epochs),
                (steps, self.steps),
                (seconds / 60, self.minutes),
            )
            if planned is not None
        ]
        return min(1.0, max(used))

    def __str__(self) -> str:
        parts = (("epochs", self.epochs), ("steps", self.steps), ("minutes", self.minutes))
        return " or ".join(f"{value:g} {name}" for name, value in parts if value is not None)


def parse_budget(text: str) -> Budget:
    """Read ``10m``, ``2h``, ``500steps`` or ``3epochs``.

    Raises:
        BadRequest: it is none of these; the message says what to write.
    """
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([a-z]+)", text.strip().lower())
    unit = next((name for name, words in UNITS.items() if match and match[2] in words), None)
    if not match or unit is None:
        raise BadRequest(f"the budget {text!r} is not one: write 10m, 2h, 500steps or 3epochs")
    amount = float(match[1])
    if unit == "steps":
        if not amount.is_integer():
            raise BadRequest(f"the budget {text!r} has parts of a step: write 500steps")
        return Budget(steps=int(amount))
    if unit == "epochs":
        return Budget(epochs=amount)
    return Budget(minutes=amount * 60 if unit == "hours" else amount)
