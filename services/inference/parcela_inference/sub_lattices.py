"""HighResNet on sub-lattices: exact scores, full context, none of the slow dilated convolutions.

A convolution of dilation 2 acts on each of the eight stride-2 sub-lattices by itself, one of
dilation 4 on each of the 64 stride-4 sub-lattices, zero padding included, and what follows them is
1×1×1. So the scores of one sub-lattice need only that sub-lattice in the dilated blocks, where the
same weights work as ordinary convolutions. Sizes must divide by four: the padded grid's do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.networks.nets import HighResNet
from torch import Tensor
from torch.nn import functional

Offset = tuple[int, int, int]

AT_ONCE = 2  # of eight parts whose features are held in memory
OFFSETS: tuple[Offset, ...] = tuple((i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1))


@dataclass(frozen=True, slots=True)
class SubLattice:
    """One stride-2 sub-lattice of a volume and some of its own stride-2 sub-lattices."""

    outer: Offset
    inner: tuple[Offset, ...]

    @staticmethod
    def draw(inner: int, generator: torch.Generator) -> SubLattice:
        """A random one with ``inner`` of its eight parts."""
        outer = int(torch.randint(8, (1,), generator=generator))
        chosen = torch.randperm(8, generator=generator)[:inner].tolist()
        return SubLattice(OFFSETS[outer], tuple(OFFSETS[part] for part in chosen))

    def take(self, volume: Tensor) -> Tensor:
        """(1, C, I, J, K) → (parts, C, I/4, J/4, K/4)."""
        return _inner(_every_other(volume, self.outer), self.inner)

    def put(self, volume: Tensor, parts: Tensor) -> None:
        """The inverse of ``take``: write parts (parts, …, I/4, J/4, K/4) into a volume (…, I, J, K).

        A volume that was padded for the network may be given as it was before: what lies beyond its end is left out.
        """
        for offset, part in zip(self.inner, parts, strict=True):
            place = _every_other(_every_other(volume, self.outer), offset)
            i, j, k = place.shape[-3:]
            place.copy_(part[..., :i, :j, :k])


def forward_on(network: HighResNet, image: Tensor, lattice: SubLattice, deep: bool) -> Tensor:
    """Class scores (parts, 117, I/4, J/4, K/4) of one volume (1, 1, I, J, K).

    With ``deep`` the gradient reaches the full-resolution layers too; without it, it stops below
    them, at under half the cost. In evaluation mode the scores equal the network's own there.
    """
    with torch.set_grad_enabled(deep and torch.is_grad_enabled()):
        hidden = shallow(network, image)
    return deepen(network, hidden, lattice)


def class_scores_by_lattices(network: HighResNet, image: Tensor, scores: Tensor) -> None:
    """Write the softmax scores of a whole volume, one sub-lattice after the other; as the network's own to rounding.

    The dilated convolutions, most of the network's cost, are ordinary ones on a sub-lattice: PyTorch has fast code for
    those alone. No second full volume of 117 scores is held.

    Args:
        network: in evaluation mode.
        image: (1, 1, I', J', K'), padded to sizes that divide by four.
        scores: (I, J, K, 117), the grid before the padding; is filled.
    """
    hidden = shallow(network, image)
    channels_first = scores.movedim(-1, 0)
    for outer in OFFSETS:
        halfway = _dilated_by_two(network, hidden, outer)
        for first in range(0, len(OFFSETS), AT_ONCE):
            lattice = SubLattice(outer, OFFSETS[first : first + AT_ONCE])
            logits = _dilated_by_four(network, halfway, lattice.inner)
            lattice.put(channels_first, logits.float().softmax(dim=1))


def shallow(network: HighResNet, image: Tensor) -> Tensor:
    """The full-resolution layers: (1, 1, I, J, K) → (1, 16, I, J, K)."""
    hidden = _contiguous(image)
    for block in list(network.blocks)[:4]:
        hidden = block(hidden)
    return hidden


def deepen(network: HighResNet, hidden: Tensor, lattice: SubLattice) -> Tensor:
    """The dilated and the final layers on a sub-lattice of the full-resolution features."""
    return _dilated_by_four(network, _dilated_by_two(network, hidden, lattice.outer), lattice.inner)


def _dilated_by_two(network: HighResNet, hidden: Tensor, outer: Offset) -> Tensor:
    hidden = _contiguous(_every_other(hidden, outer))
    for block in list(network.blocks)[4:7]:
        hidden = undilated(block, hidden)
    return hidden


def _dilated_by_four(network: HighResNet, hidden: Tensor, inner: tuple[Offset, ...]) -> Tensor:
    """And the final layers, which are 1×1×1."""
    hidden = _contiguous(_inner(hidden, inner))
    for block in list(network.blocks)[7:10]:
        hidden = undilated(block, hidden)
    for block in list(network.blocks)[10:]:
        hidden = block(hidden)
    return hidden


def undilated(block: torch.nn.Module, hidden: Tensor) -> Tensor:
    """A residual block with its own weights and dilation 1."""
    inner = hidden
    for layer in block.layers:  # type: ignore[union-attr]
        convolution = getattr(layer, "conv", None)
        if convolution is None:
            inner = layer(inner)
        else:
            inner = functional.conv3d(inner, convolution.weight, convolution.bias, padding=1)
    matched: Tensor = block.chn_pad(hidden)  # type: ignore[operator]
    return inner + matched


def _every_other(volume: Tensor, offset: Offset) -> Tensor:
    i, j, k = offset
    return volume[..., i::2, j::2, k::2]


def _inner(volume: Tensor, offsets: tuple[Offset, ...]) -> Tensor:
    return torch.cat([_every_other(volume, offset) for offset in offsets])


def _contiguous(volume: Tensor) -> Tensor:
    return volume.contiguous(memory_format=torch.channels_last_3d)
