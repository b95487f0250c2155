"""Class scores of the network that registers: the shares of each voxel that lie in the atlas's regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from parcela.atlas.aal import CLASS_COUNT
from parcela_inference.block_scores import EDGE, Block, BlockScores, on_one_thread
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import Mapping, centres

BENT = 0.95  # of the places lie within what is told
POINTS = torch.tensor(list(product((-0.25, 0.25), repeat=3)))  # in a voxel, from its centre


@dataclass(frozen=True, slots=True, eq=False)
class RegistrationScores(BlockScores):
    """Shares of the atlas's regions.

    Attributes:
        mapping: that they come from.
        certainty: how alike the image and the atlas's are, once one lies on the other.
    """

    mapping: Mapping = field(kw_only=True)
    certainty: float = field(kw_only=True)


def class_scores_by_registration(
    mapping: Mapping, image: Tensor, regions: Tensor
) -> RegistrationScores:
    """Of the voxels of an image, (I, J, K), whose places a mapping takes to the atlas's regions, (X, Y, Z).

    A voxel among its like belongs to their region altogether; one at a border is asked at its centre and at eight
    points around it: an odd number, so that two regions never share a voxel alike.
    """
    i, j, k = image.shape
    places = centres((i, j, k))
    mapped = mapping(places)
    labels = atlas_box().labels_at(mapped, regions)
    at_border = _varied(labels)
    extent = 2 / torch.tensor((i, j, k), dtype=torch.float32)
    points = places[at_border][:, None] + POINTS * extent
    around = atlas_box().labels_at(mapping(points), regions)
    certainty = likeness(image, mapped)
    scores = RegistrationScores((i, j, k), "registration", mapping=mapping, certainty=certainty)
    _fill(scores, labels, at_border, torch.cat([labels[at_border][:, None], around], 1))
    return scores


def likeness(image: Tensor, mapped: Tensor) -> float:
    """Correlation of an image's brain, (I, J, K), and Colin27's where its voxels lie, (I, J, K, 3).

    NaN without a brain.
    """
    brain = image > 0
    pair = torch.stack([image[brain], atlas_box().image(mapped[brain])])
    return float(torch.corrcoef(pair)[0, 1]) if brain.any() else float("nan")


def bent_mm(mapping: Mapping) -> float:
    """How far a mapping goes beyond an affine: the 95th percentile over the atlas's box."""
    half_mm = atlas_box().size_mm / 2
    lengths = (mapping.displacement.movedim(0, -1) * half_mm).norm(dim=-1)
    return float(lengths.quantile(BENT))


def _varied(labels: Tensor) -> Tensor:
    """Where the 3³ voxels around one do not all have the same label, (I, J, K) bool."""
    numbers = labels[None, None].float()
    highest = functional.max_pool3d(numbers, 3, 1, 1)
    lowest = -functional.max_pool3d(-numbers, 3, 1, 1)
    return (highest != lowest)[0, 0]


@on_one_thread()
def _fill(scores: BlockScores, labels: Tensor, at_border: Tensor, at_points: Tensor) -> None:
    """From labels (I, J, K), and for those at a border, (n,), the labels at their points, (n, 9)."""
    row = torch.full(labels.shape, -1, dtype=torch.int64)
    row[at_border] = torch.arange(len(at_points))
    for place in scores.places():
        part = tuple(slice(EDGE * n, EDGE * (n + 1)) for n in place)
        inner, rows = labels[part], row[part]
        asked = rows >= 0
        points = at_points[rows[asked]]
        found = torch.cat([inner.flatten(), points.flatten()])
        (classes,) = torch.nonzero(torch.bincount(found, minlength=CLASS_COUNT), as_tuple=True)
        if classes.tolist() == [0]:
            continue
        shares = (inner[..., None] == classes).float()
        shares[asked] = (points[..., None] == classes).float().mean(1)
        scores.blocks[place] = Block(classes, shares.movedim(-1, 0).contiguous())
