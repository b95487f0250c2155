"""One training step's loss for each network, on one volume."""

from __future__ import annotations

from typing import Protocol

import torch
from monai.networks.nets import HighResNet, UNet
from torch import Tensor, nn

from parcela_inference.networks import CLASSES, MODEL_SHAPE
from parcela_training.highresnet_step import OFFSETS, Offset, SubLattice, forward_on
from parcela_training.losses import segmentation_loss, voxels
from parcela_training.presets import Settings
from parcela_training.samples import OUTSIDE, Sample
from parcela_training.unet_step import statistics, top_block, trunk


class Trainee(Protocol):
    """A network with what trains it: its loss on a sample at a step, and all its parameters."""

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        ...

    def loss(self, sample: Sample, step: int, generator: torch.Generator) -> Tensor:
        """The loss of one random part of one volume."""
        ...

    def modules(self) -> nn.ModuleDict:
        """The network and whatever else has parameters."""
        ...


class UNetTrainee:
    """The U-Net: its trunk on whole volumes, its top block on random patches."""

    def __init__(self, network: UNet, settings: Settings) -> None:
        self.network: UNet = network
        self.settings = settings
        # For training only: reads the eight voxels under each half-resolution feature.
        self.head = nn.Linear(32, len(OFFSETS) * CLASSES)

    def modules(self) -> nn.ModuleDict:
        """The network and the auxiliary head."""
        return nn.ModuleDict({"network": self.network, "head": self.head})

    def loss(self, sample: Sample, step: int, generator: torch.Generator) -> Tensor:
        """Half resolution on the whole volume, and full resolution on patches after that."""
        features = trunk(self.network, sample.image)
        if step < self.settings.trunk_steps:
            return self._half_resolution_loss(features, sample, generator, every=1)
        auxiliary = self._half_resolution_loss(features, sample, generator, every=2)
        full = self._full_resolution_loss(features, sample, generator)
        return full + self.settings.auxiliary_weight * auxiliary

    def _full_resolution_loss(
        self, features: Tensor, sample: Sample, generator: torch.Generator
    ) -> Tensor:
        size = self.settings.patch_size
        starts = draw_patches(sample, self.settings.patches, size, generator)
        moments = statistics(self.network, features, draw_offset(generator))
        scores = top_block(self.network, features, moments, starts, size)
        labels = torch.stack([_patch(sample.label, start, size) for start in starts]).long()
        chosen = voxels(scores, labels, labels != OUTSIDE)
        return segmentation_loss(*chosen, self.settings.balanced_weight)

    def _half_resolution_loss(
        self, features: Tensor, sample: Sample, generator: torch.Generator, every: int
    ) -> Tensor:
        """One of the eight voxels under each feature, at every so manieth feature per axis."""
        parity, (i, j, k) = _draw_parity(generator)
        labels = sample.label[i::2, j::2, k::2][::every, ::every, ::every].long()
        inside = labels != OUTSIDE
        taken = slice(parity * CLASSES, (parity + 1) * CLASSES)
        chosen = features[0, :, ::every, ::every, ::every].movedim(0, -1)[inside]
        scores = nn.functional.linear(chosen, self.head.weight[taken], self.head.bias[taken])
        return segmentation_loss(scores, labels[inside], self.settings.balanced_weight)


def _draw_parity(generator: torch.Generator) -> tuple[int, Offset]:
    parity = int(torch.randint(8, (1,), generator=generator))
    return parity, OFFSETS[parity]


def draw_offset(generator: torch.Generator) -> Offset:
    """One of the eight offsets of a stride-2 sub-lattice."""
    return _draw_parity(generator)[1]


def draw_patches(
    sample: Sample, count: int, size: tuple[int, int, int], generator: torch.Generator
) -> list[tuple[int, int, int]]:
    """Even starts of patches kept within the volume.

    Half are centred on random labelled voxels, half on a random voxel of a random region.
    """
    labelled = ((sample.label > 0) & (sample.label != OUTSIDE)).nonzero()
    anywhere = torch.randint(len(labelled), (count - count // 2,), generator=generator)
    ids = sample.label[tuple(labelled.T)]
    present = ids.unique()
    regions = present[torch.randint(len(present), (count // 2,), generator=generator)]
    balanced = [_any_of((ids == region).nonzero()[:, 0], generator) for region in regions]
    centres = labelled[torch.cat([anywhere, *balanced])]
    starts = []
    for centre in centres.tolist():
        corner = [
            min(max(middle - extent // 2, 0), whole - extent + whole % 2) // 2 * 2
            for middle, extent, whole in zip(centre, size, MODEL_SHAPE, strict=True)
        ]
        starts.append((corner[0], corner[1], corner[2]))
    return starts


def _any_of(choices: Tensor, generator: torch.Generator) -> Tensor:
    return choices[torch.randint(len(choices), (1,), generator=generator)]


def _patch(volume: Tensor, start: tuple[int, int, int], size: tuple[int, int, int]) -> Tensor:
    (i, j, k), (di, dj, dk) = start, size
    return volume[i : i + di, j : j + dj, k : k + dk]


class HighResNetTrainee:
    """HighResNet: exact scores on a random sub-lattice of the whole volume."""

    def __init__(self, network: HighResNet, settings: Settings) -> None:
        self.network = network
        self.settings = settings

    def modules(self) -> nn.ModuleDict:
        """The network alone."""
        return nn.ModuleDict({"network": self.network})

    def loss(self, sample: Sample, step: int, generator: torch.Generator) -> Tensor:
        """Every so many steps the gradient reaches the full-resolution layers too."""
        lattice = SubLattice.draw(self.settings.parts, generator)
        deep = step % self.settings.deep_every == 0
        scores = forward_on(self.network, sample.image, lattice, deep)
        labels = lattice.take(sample.label[None, None].float())[:, 0].long()
        chosen = voxels(scores, labels, labels != OUTSIDE)
        return segmentation_loss(*chosen, self.settings.balanced_weight)
