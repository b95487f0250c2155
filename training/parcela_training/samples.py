"""Training samples: prepared subjects in memory, drawn at random, padded for the networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from parcela_inference.networks import pad_to_network
from parcela_training.augment import augment
from parcela_training.prepare_files import Prepared

OUTSIDE = 255


@dataclass(frozen=True, slots=True)
class Sample:
    """One padded volume: image (1, 1, 96, 128, 128), label (96, 128, 128), 255 outside."""

    image: Tensor
    label: Tensor


class Samples:
    """The prepared subjects of one split, in memory as 16-bit images and 8-bit labels."""

    def __init__(self, files: list[Path]) -> None:
        if not files:
            raise ValueError("there are no prepared subjects to train on: run prepare first")
        self.names = [file.stem for file in files]
        self._subjects = [Prepared.load(file) for file in files]

    def __len__(self) -> int:
        return len(self._subjects)

    def get(self, index: int) -> Sample:
        """One subject as prepared."""
        image, label = self._volumes(index)
        return _padded(image, label)

    def draw(self, generator: torch.Generator, augmented: bool) -> Sample:
        """A random subject, augmented or as prepared."""
        index = int(torch.randint(len(self), (1,), generator=generator))
        image, label = self._volumes(index)
        if augmented:
            image, label = augment(image, label, generator)
        return _padded(image, label)

    def _volumes(self, index: int) -> tuple[Tensor, Tensor]:
        subject = self._subjects[index]
        return torch.from_numpy(subject.image).float(), torch.from_numpy(subject.label)


def _padded(image: Tensor, label: Tensor) -> Sample:
    outside = pad_to_network(torch.ones_like(label)) == 0
    return Sample(
        pad_to_network(image)[None, None],
        pad_to_network(label).masked_fill(outside, OUTSIDE),
    )
