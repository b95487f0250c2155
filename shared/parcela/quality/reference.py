"""What the images that the networks learned from look like, in numbers: what a new image and its map are held against.

``data/reference.json`` ships. ``python benchmarks/quality.py --reference`` makes it from the prepared training images.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from parcela.record import Record

Floats = NDArray[np.float64]

BLOCK = 8  # voxels a side of what is averaged for the coarse image
THOUSANDTHS = 1000  # of a coarse image's range: it is written in whole numbers


class Usual(Record):
    """How a number is spread over the training images."""

    mean: float
    sd: float


class UsualCertainty(Usual):
    """How sure a network is on the validation images; it holds for these weights alone."""

    sha256: str


class Reference(Record):
    """The shipped numbers.

    Attributes:
        made_from: the images that they are of, in words.
        images: how many.
        numbers: of the image, by the names that ``measures.image_numbers`` gives them.
        log_shares: of each region, natural logarithm of its share of all labelled voxels.
        certainty: by network.
        coarse_shape: of the three arrays below, flat, in thousandths.
        coarse_image, coarse_outline: means of the blocks of images and masks.
        sidedness: weights on the blocks: a brain's own asymmetry gives about 1, a mirrored one's about -1.
    """

    made_from: str
    images: int
    numbers: Mapping[str, Usual]
    log_shares: tuple[Usual, ...]
    certainty: Mapping[str, UsualCertainty]
    coarse_shape: tuple[int, int, int]
    coarse_image: tuple[int, ...]
    coarse_outline: tuple[int, ...]
    sidedness: tuple[int, ...]

    def coarse(self, values: tuple[int, ...]) -> Floats:
        """One of the three arrays, of ``coarse_shape``."""
        return np.array(values, np.float64).reshape(self.coarse_shape) / THOUSANDTHS


@cache
def reference() -> Reference:
    """The reference that ships."""
    return Reference.from_json(files(__package__).joinpath("data/reference.json").read_bytes())
