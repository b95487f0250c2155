"""Training samples: prepared images in memory, in random order, padded for the networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from parcela.errors import BadRequest
from parcela.imaging.geometry import Shape
from parcela_inference.networks import MULTIPLE
from parcela_training.augmentation.augment import Augmentation, augment
from parcela_training.augmentation.rng import Draws, order

OUTSIDE = 255
ORDER, IMAGE, VERSION = 1, 2, 3  # what a seed is for
SHUFFLED = 1  # the seed of an order outside training


@dataclass(frozen=True, slots=True)
class Sample:
    """One padded volume: zeros, and 255 in the label, at each axis's end.

    Attributes:
        image: (1, 1, I', J', K'), each size a multiple of 16.
        label: (I', J', K') uint8.
        shape: (I, J, K) before the padding.
        draws: the random numbers for this volume in this step.
    """

    image: Tensor
    label: Tensor
    shape: Shape
    draws: Draws


class Samples:
    """The prepared images of one part, in memory as 16-bit images and 8-bit labels."""

    def __init__(
        self,
        files: Sequence[Path],
        device: torch.device | str = "cpu",
        others: Mapping[Path, Sequence[Path]] | None = None,
    ) -> None:
        """Read prepared files. Raises BadRequest where there are none, or their grids differ.

        ``others`` names further preparations of these images: in training each epoch draws one of an image's.
        """
        if not files:
            raise BadRequest("there are no prepared images to train on: run parcela prepare first")
        self.names = [file.stem for file in files]
        self.device = torch.device(device)
        others = others or {}
        self._versions = [[_read(each) for each in (file, *others.get(file, ()))] for file in files]
        shapes = {image.shape for versions in self._versions for image, _, _ in versions}
        if len(shapes) > 1:
            raise BadRequest(f"the prepared images lie on grids of {sorted(shapes)}: prepare anew")

    def __len__(self) -> int:
        return len(self._versions)

    @property
    def shape(self) -> Shape:
        """The grid of the samples, (I, J, K)."""
        i, j, k = self._versions[0][0][0].shape
        return i, j, k

    def get(self, index: int, seed: int = 0) -> Sample:
        """One image as prepared."""
        image, label, _ = self._on_device(index)
        return pad(image, label, Draws(IMAGE, seed, index, device=self.device))

    def heads(self, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """So many images as prepared, evenly spaced: padded (1, 1, I', J', K'), and their labels (I, J, K)."""
        for place in range(count):
            sample = self.get(place * len(self) // count)
            i, j, k = sample.shape
            yield sample.image, sample.label[:i, :j, :k]

    def shuffled(self, count: int) -> Iterator[Sample]:
        """So many images as prepared, in an order that depends on nothing else."""
        return (self.at(place, SHUFFLED, None) for place in range(count))

    def at(self, place: int, seed: int, augmentation: Augmentation | None) -> Sample:
        """The image at one place of the endless order of training, augmented or as prepared.

        Every epoch goes through all images once, in an order of its own.
        """
        epoch, within = divmod(place, len(self))
        index = self._order(seed, epoch)[within]
        version = order(len(self._versions[index]), VERSION, seed, place)[0]
        image, label, spacing = self._on_device(index, version)
        draws = Draws(IMAGE, seed, place, device=self.device)
        if augmentation:
            image, label = augment(image, label, draws, augmentation, spacing)
        return pad(image, label, draws)

    @cached_property
    def _orders(self) -> dict[tuple[int, int], list[int]]:
        return {}

    def _order(self, seed: int, epoch: int) -> list[int]:
        if (seed, epoch) not in self._orders:
            self._orders.clear()
            self._orders[seed, epoch] = order(len(self), ORDER, seed, epoch)
        return self._orders[seed, epoch]

    def _on_device(
        self, index: int, version: int = 0
    ) -> tuple[Tensor, Tensor, tuple[float, float, float]]:
        image, label, spacing = self._versions[index][version]
        tensor = torch.from_numpy(image).to(self.device, non_blocking=True).float()
        return tensor, torch.from_numpy(label).to(self.device, non_blocking=True), spacing


def pad(image: Tensor, label: Tensor, draws: Draws) -> Sample:
    """Image and label (I, J, K) brought to sizes that survive four halvings."""
    i, j, k = image.shape
    ends = (0, -k % MULTIPLE, 0, -j % MULTIPLE, 0, -i % MULTIPLE)
    return Sample(
        functional.pad(image, ends)[None, None],
        functional.pad(label, ends, value=OUTSIDE),
        (i, j, k),
        draws,
    )


Stored = tuple[NDArray[np.float16], NDArray[np.uint8], tuple[float, float, float]]


def _read(file: Path) -> Stored:
    """Image, label and voxel size (mm) of a prepared file; the rest of it stays packed."""
    with np.load(file) as stored:
        x, y, z = np.linalg.norm(stored["affine"][:3, :3], axis=0).tolist()
        return stored["image"], stored["label"], (x, y, z)
