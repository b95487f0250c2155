"""From a place in an image to its place in the atlas: an affine, then a smooth displacement that can be undone.

Places are counted from −1 to 1 over a box, along the array's own axes I, J, K: an image's over its grid, the atlas's
over the box of its brain. A voxel's place is its centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from parcela.imaging.geometry import Shape

MARGIN = 1.1  # times the brain's box of the atlas: how far displacements reach
SQUARINGS = 4


@dataclass(frozen=True, eq=False)
class Mapping:
    """Where the places of one image lie in the atlas.

    Attributes:
        affine: (3, 4), what is *added* to a place: zeros leave it where it is.
        velocity: (3, i, j, k), of the displacement after the affine; over ``MARGIN`` times the atlas's box.
    """

    affine: Tensor
    velocity: Tensor

    def __call__(self, places: Tensor) -> Tensor:
        """Places in the image, (…, 3), to places in the atlas."""
        aligned = moved(places, self.affine)
        return aligned + sampled(self.displacement, aligned / MARGIN)

    def back(self, places: Tensor) -> Tensor:
        """Places in the atlas, (…, 3), to places in the image."""
        aligned = places + sampled(integrated(-self.velocity), places / MARGIN)
        return moved(aligned, inverse(self.affine))

    def cpu(self) -> Mapping:
        """The same on the processor."""
        return Mapping(self.affine.cpu(), self.velocity.cpu())

    @cached_property
    def displacement(self) -> Tensor:
        """What is added to a place after the affine, (3, i, j, k), over the same box."""
        return integrated(self.velocity)


def centres(shape: Shape, device: torch.device | None = None) -> Tensor:
    """The places of a grid's voxels, (I, J, K, 3)."""
    axes = [(torch.arange(size, device=device) + 0.5) / size * 2 - 1 for size in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def moved(places: Tensor, affine: Tensor) -> Tensor:
    """Places (…, 3) after an affine as ``Mapping`` has it; without products of matrices, which autocast would round."""
    linear: Tensor = (places[..., None, :] * affine[:, :3]).sum(-1)
    return places + linear + affine[:, 3]


def inverse(affine: Tensor) -> Tensor:
    """The affine that takes it back, (3, 4), as ``Mapping`` has it."""
    whole = torch.eye(4, dtype=torch.float64)
    whole[:3] += affine.cpu()
    back: Tensor = torch.linalg.inv(whole)[:3] - torch.eye(4)[:3]
    return back.to(affine)


def affine_between(places: Tensor, targets: Tensor) -> Tensor:
    """The affine of least squares from places to targets, (n, 3) each: (3, 4), as ``Mapping`` has it.

    In 64 bits: what the library rounds otherwise from call to call is less than a bit of the result.
    """
    whole = torch.cat([places, torch.ones(len(places), 1)], dim=1).double()
    solution: Tensor = torch.linalg.lstsq(whole, (targets - places).double()).solution
    return solution.T.float().contiguous()


def sampled(volume: Tensor, places: Tensor, outside: str = "border") -> Tensor:
    """A volume's values, (C, i, j, k), at places (…, 3) of its own box: (…, C), linear."""
    grid = places.flip(-1).reshape(1, 1, 1, -1, 3)
    values = functional.grid_sample(
        volume[None], grid, mode="bilinear", padding_mode=outside, align_corners=False
    )
    taken: Tensor = values[0, :, 0, 0].T.reshape(*places.shape[:-1], volume.shape[0])
    return taken


def nearest(labels: Tensor, index: Tensor) -> Tensor:
    """A label map's ids, (I, J, K), at the voxels nearest to an index in fractions, (…, 3): (…), 0 beyond the map."""
    rounded = index.round().long()
    limit = torch.tensor(labels.shape)
    inside = ((rounded >= 0) & (rounded < limit)).all(-1)
    i, j, k = torch.minimum(rounded.clamp_min(0), limit - 1).unbind(-1)
    return torch.where(inside, labels[i, j, k], 0)


def integrated(velocity: Tensor) -> Tensor:
    """The displacement of a stationary velocity, both (3, i, j, k), by scaling and squaring.

    Arsigny et al. 2006, A log-Euclidean framework for statistics on diffeomorphisms: what it gives can be undone, so
    that no region is torn and none is left out.
    """
    _, i, j, k = velocity.shape
    grid = centres((i, j, k), velocity.device)
    field: Tensor = velocity / 2**SQUARINGS
    for _ in range(SQUARINGS):
        field = field + sampled(field, grid + field.movedim(0, -1) / MARGIN).movedim(-1, 0)
    return field
