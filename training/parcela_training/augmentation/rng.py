"""Random numbers as a function of what they are for: a seed, and the place in the order of training.

Nothing random has a state, so that a run resumed anywhere, or shared among any number of processes,
draws what it would have drawn alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Draws:
    """The random numbers of one image at one place of one run.

    ``generator`` (on the CPU) draws what decides the course of a step; fields of a volume's size
    are drawn on the volume's own device.
    """

    def __init__(self, *seed: int, device: torch.device | str = "cpu") -> None:
        state = int(np.random.SeedSequence(seed).generate_state(1, np.uint32)[0])
        self.generator = torch.Generator().manual_seed(state)
        self.device = torch.device(device)
        self._fields = (
            self.generator
            if self.device.type == "cpu"
            else torch.Generator(self.device).manual_seed(state)
        )

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A random number between ``low`` and ``high``."""
        return low + (high - low) * float(torch.rand(1, generator=self.generator))

    def bernoulli(self, chance: float) -> bool:
        """True with this chance."""
        return self.uniform() < chance

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers on the device."""
        return torch.randn(shape, generator=self._fields, device=self.device)


def order(images: int, *seed: int) -> list[int]:
    """The images of one epoch in random order, each once."""
    generator = Draws(*seed).generator
    images_in_order: list[int] = torch.randperm(images, generator=generator).tolist()
    return images_in_order
