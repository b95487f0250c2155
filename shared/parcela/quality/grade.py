"""Grades: how far a finished map is to be trusted, and the bounds on a number that decide it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from parcela.record import Record

Grade = Literal["ok", "look", "doubtful"]
Level = Literal["good", "mild", "grave", "unmeasured"]


@dataclass(frozen=True)
class Bound:
    """From which value on a number is mildly, or gravely, wrong.

    Attributes:
        number: its name.
        mild, grave: the last values that are not yet so.
        sense: 1: high values are bad; -1: low ones are.
        words: what is wrong beyond it.
    """

    number: str
    mild: float
    grave: float
    sense: Literal[1, -1]
    words: str

    def level(self, value: float) -> Level:
        """How wrong a value is. One that is no number was not measured; what that means is the caller's to say."""
        if math.isnan(value):
            return "unmeasured"
        bad = value * self.sense
        if bad > self.grave * self.sense:
            return "grave"
        return "mild" if bad > self.mild * self.sense else "good"

    def reason(self, value: float) -> str:
        """What is wrong, with the number and its bound."""
        side = "up to" if self.sense == 1 else "from"
        return f"{self.words} ({self.number} {value:.3g}, usual is {side} {self.mild:g})"


class Judgement(Record):
    """The verdict on one map, in words.

    Attributes:
        verdict: ``ok``, ``look`` (see the picture before use) or ``doubtful`` (do not use unless it convinces you).
        reasons: what is wrong and what to do, one sentence each; empty when all is well.
    """

    verdict: Grade
    reasons: tuple[str, ...] = ()
