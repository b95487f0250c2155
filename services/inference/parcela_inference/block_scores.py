"""Class scores that hold, in each block of the model's grid, only the classes that can be the highest there.

A region cannot be everywhere: of 117 classes a block of 12³ voxels needs some ten, and a block that is not held is
background. So the scores of a scan take a tenth of the memory, and the way back to its grid a tenth of the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from parcela.atlas.aal import CLASS_COUNT
from parcela.imaging.geometry import Shape

EDGE = 12  # voxels of a block along each axis
ROUNDING = 2**-11  # of a number in 16 bits
CORNERS = tuple(product((0, 1), repeat=3))

Place = tuple[int, int, int]  # of a block: it begins at EDGE times this
ScoringMethod = Literal["plausible classes", "sub-lattices", "network", "registration"]


@contextmanager
def on_one_thread() -> Iterator[None]:
    """For many small operations: PyTorch's second thread would wait for each longer than it works."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some classes' scores in one block.

    Attributes:
        classes: (m,) int64, ascending.
        scores: (m, i, j, k), EDGE voxels along each axis, or fewer at the grid's end.
    """

    classes: Tensor
    scores: Tensor

    def highest(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The highest score and its class, both (i, j, k)."""
        rows = self.scores.numpy().argmax(0)  # PyTorch's is slow along the first axis
        return self.scores.amax(0).float().numpy(), self.classes.numpy()[rows]

    def possible(self) -> Block:
        """Without the classes that are the highest nowhere, at no voxel and at no place between voxels."""
        chosen = can_win(self.scores.flatten(1))
        return Block(self.classes[chosen], self.scores[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class BlockScores:
    """Class scores of a volume, none below 0.

    Attributes:
        shape: (I, J, K) voxels.
        way: how they were computed: the plausible classes of each block, HighResNet on sub-lattices, the network as it
            is, or by registration.
        blocks: by place. Where one is missing all is background; a class that a block has not is 0 there.
    """

    shape: Shape
    way: ScoringMethod = "network"
    blocks: dict[Place, Block] = field(default_factory=dict)

    @classmethod
    @on_one_thread()
    def of(cls, dense: Tensor, way: ScoringMethod = "network") -> Self:
        """Dense scores, (I, J, K, C), without what is nothing in 16 bits beside the highest, in and around a block."""
        i, j, k, _ = dense.shape
        held = cls((i, j, k), way)
        for place in held.places():
            around = _part(dense, place, margin=1).flatten(0, 2).float()
            (classes,) = torch.where(can_win(around.T, ROUNDING))
            if classes.tolist() != [0]:
                inner = _part(dense, place)[..., classes]
                held.blocks[place] = Block(classes, inner.movedim(-1, 0).contiguous())
        return held

    @classmethod
    @on_one_thread()
    def mean(cls, several: Sequence[BlockScores]) -> Self:
        """The mean of scores on one grid."""
        mean = cls(several[0].shape)
        for place in sorted({place for scores in several for place in scores.blocks}):
            parts = [scores.block(place) for scores in several]
            classes = torch.cat([part.classes for part in parts]).unique()
            total = torch.zeros(len(classes), *parts[0].scores.shape[1:])
            for part in parts:
                total[torch.searchsorted(classes, part.classes)] += part.scores / len(parts)
            mean.blocks[place] = Block(classes, total)
        return mean

    def block(self, place: Place) -> Block:
        """One block; where none is held, the background alone."""
        size = [min(EDGE, n - EDGE * at) for n, at in zip(self.shape, place, strict=True)]
        background = torch.zeros(1, dtype=torch.int64)
        return self.blocks.get(place) or Block(background, torch.ones(1, *size))

    def places(self) -> Iterator[Place]:
        """Of all blocks of the grid, held or not."""
        i, j, k = (-(-size // EDGE) for size in self.shape)
        yield from product(range(i), range(j), range(k))

    def highest(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The highest score and its class, both (I, J, K)."""
        scores, labels = np.ones(self.shape, np.float32), np.zeros(self.shape, np.uint8)
        for place, block in self.blocks.items():
            i, j, k = (slice(EDGE * number, EDGE * (number + 1)) for number in place)
            scores[i, j, k], labels[i, j, k] = block.highest()
        return scores, labels

    def dense(self) -> Tensor:
        """All scores, (I, J, K, 117) float16."""
        return self._spread(torch.zeros((*self.shape, CLASS_COUNT), dtype=torch.float16), 1)

    def in_steps(self, whole: int) -> NDArray[np.uint8]:
        """All scores, (I, J, K, 117), 0 to ``whole`` for 0 to 1."""
        steps = torch.zeros((*self.shape, CLASS_COUNT), dtype=torch.uint8)
        return self._spread(steps, whole).numpy()

    def _spread(self, dense: Tensor, whole: int) -> Tensor:
        dense[..., 0] = whole
        for place, block in self.blocks.items():
            part, scores = _part(dense, place), whole * block.scores.movedim(0, -1).float()
            part[..., 0] = 0
            part[..., block.classes] = (scores if whole == 1 else scores.round()).to(dense.dtype)
        return dense

    def with_next(self, place: Place) -> Block | None:
        """A block and one voxel more towards each axis's end: all between whose voxels a place can lie.

        Of the classes only those that are somewhere the highest. None where all is background.
        """
        i, j, k = place
        size = [min(EDGE + 1, n - EDGE * at) for n, at in zip(self.shape, place, strict=True)]
        corners = [
            c for c in CORNERS if all(n > EDGE * far for n, far in zip(size, c, strict=True))
        ]
        nexts = [(i + a, j + b, k + c) for a, b, c in corners]
        if not any(each in self.blocks for each in nexts):
            return None
        parts = [self.block(each) for each in nexts]
        classes = torch.cat([part.classes for part in parts]).unique()
        scores = torch.zeros(len(classes), *size)
        for corner, part in zip(corners, parts, strict=True):
            x, y, z = (slice(EDGE, None) if far else slice(EDGE) for far in corner)
            into = scores[:, x, y, z]
            a, b, c = into.shape[1:]
            into[torch.searchsorted(classes, part.classes)] = part.scores[:, :a, :b, :c].float()
        return Block(classes, scores).possible()


def can_win(scores: Tensor, share: float = 1 / 8) -> Tensor:
    """Which of (m, n) classes can be the highest at one of n voxels, or in an average of eight of them: (m,) bool.

    One of the eight weighs an eighth or more, and its highest class has at least that much of its score. With a smaller
    share more classes stay.
    """
    chosen: Tensor = scores.amax(1) >= share * scores.amax(0).min()
    return chosen


def _part(dense: Tensor, place: Place, margin: int = 0) -> Tensor:
    """One block of (I, J, K, C), with so many voxels around it."""
    i, j, k = (slice(max(0, EDGE * n - margin), EDGE * (n + 1) + margin) for n in place)
    return dense[i, j, k]
