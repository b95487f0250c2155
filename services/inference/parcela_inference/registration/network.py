"""The network that registers a head to the atlas: its pose first, then the rest on the atlas's own grid.

Two small networks, ours and not the thesis's. The first sees the whole image coarsely and gives twelve numbers, an
affine. The second sees the image that this has brought to the atlas, beside the atlas's own, and gives a smooth
velocity: after Balakrishnan et al. 2019 (VoxelMorph, doi:10.1109/TMI.2019.2897538), but towards one atlas alone and
learned from labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from parcela.atlas.colin27 import colin27
from parcela.imaging.geometry import Shape
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import (
    MARGIN,
    Mapping,
    affine_between,
    centres,
    inverse,
    moved,
    sampled,
)

POSE_GRID = (24, 32, 32)
ATLAS_GRID = (96, 128, 112)  # about 1.6 mm
FINER = 2  # voxels of it along each axis become channels
WIDTH = 24
STEP = 0.1  # of what the last layers give, in places
SLOPE = 0.1


class RegistrationNetwork(nn.Module):
    """Image to mapping: 7.8 million parameters.

    Attributes:
        regions: (X, Y, Z) uint8, the atlas's regions where the mapping leads to, on the voxels of ``AtlasBox.labels``:
            AAL's own, until training sets them by its images' labels.
    """

    regions: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("regions", torch.from_numpy(colin27().labels.copy()))
        self.pose = PoseNetwork()
        self.deformation = DeformationNetwork()

    def forward(self, image: Tensor, shape: Shape) -> Mapping:
        """Where a padded image's places lie in the atlas: found, and found again from the affine part of it.

        Args:
            image: (1, 1, I', J', K') in [0, 1], zeros at each axis's end.
            shape: (I, J, K) before the padding; places are counted over it.
        """
        found = self.mapping(image, shape, self.pose(image).float())
        places = centres(POSE_GRID, image.device)
        inside = sampled(image[0], _in_padded(places, image, shape), outside="zeros")[..., 0] > 0
        if not inside.any():
            return found
        brain = places[inside]  # the affine part of what was found is a better pose
        return self.mapping(image, shape, affine_between(brain, found(brain)))

    def mapping(self, image: Tensor, shape: Shape, affine: Tensor) -> Mapping:
        """The same from an affine (3, 4) that is known already."""
        return Mapping(affine, self.deformation(aligned(image, shape, affine)).float())


def aligned(image: Tensor, shape: Shape, affine: Tensor) -> Tensor:
    """A padded image (1, 1, I', J', K') on the atlas's grid, as an affine lays it there."""
    places = moved(centres(ATLAS_GRID, image.device) * MARGIN, inverse(affine))
    return sampled(image[0], _in_padded(places, image, shape), outside="zeros")[..., 0]


def _in_padded(places: Tensor, image: Tensor, shape: Shape) -> Tensor:
    """Places in an image of this shape, as places in the padded one."""
    sizes = [torch.tensor(each, device=image.device) for each in (shape, image.shape[-3:])]
    return (places + 1) * (sizes[0] / sizes[1]) - 1


class PoseNetwork(nn.Module):
    """A coarse image and its places to an affine, (3, 4)."""

    def __init__(self) -> None:
        super().__init__()
        widths, strides = (4, 16, 32, 32, 64, 64, 96, 96), (1, 2, 1, 2, 1, 2, 1)
        self.features = nn.Sequential(
            *(
                _layer(before, after, stride, groups=4)
                for before, after, stride in zip(widths, widths[1:], strides, strict=False)
            )
        )
        self.head = nn.Sequential(
            nn.Linear(96 * 48, 128), nn.LeakyReLU(SLOPE), _nothing_yet(nn.Linear(128, 12))
        )
        self.register_buffer("places", centres(POSE_GRID).movedim(-1, 0)[None], persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """From a padded image (1, 1, I', J', K')."""
        coarse = functional.adaptive_avg_pool3d(image, POSE_GRID)
        even = coarse / (3 * coarse.mean() + 1e-6)
        twelve: Tensor = self.head(
            self.features(torch.cat([even, self.places], dim=1)).flatten(1)  # type: ignore[list-item]
        )
        return twelve.view(3, 4)


class DeformationNetwork(nn.Module):
    """An image on the atlas's grid to a velocity (3, 24, 32, 28) in places: a U-Net that stops at a quarter."""

    def __init__(self) -> None:
        super().__init__()
        w = [WIDTH * times for times in (1, 2, 4, 6, 6)]
        known = torch.cat([_as_channels(_atlas_image()), _places_as_channels()])[None]
        self.register_buffer("known", known, persistent=False)
        self.stem = _layer(FINER**3 + known.shape[1], w[0], 1, groups=8)
        self.down = nn.ModuleList(Residual(w[n], w[n + 1], 2) for n in range(4))
        self.middle = Residual(w[4], w[4])
        self.up = nn.ModuleList(Residual(w[n + 1] + w[n], w[n]) for n in (3, 2, 1))
        self.velocities = nn.ModuleList(
            _nothing_yet(nn.Conv3d(w[n], 3, 3, 1, 1)) for n in (3, 2, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """From an image on the atlas's grid, (96, 128, 112): coarse velocities, each refined by the next."""
        even = _as_channels(image / (3.5 * image.mean() + 1e-6))[None]
        skips = [self.stem(torch.cat([even, self.known], dim=1))]  # type: ignore[list-item]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = self.middle(skips.pop())
        velocity: Tensor | None = None
        for up, last in zip(self.up, self.velocities, strict=True):
            skip = skips.pop()
            x = up(torch.cat([_enlarged(x, skip), skip], dim=1))
            step = STEP * last(x).float()
            velocity = step if velocity is None else _enlarged(velocity, step) + step
        assert velocity is not None
        return velocity[0]


class Residual(nn.Module):
    """Two convolutions with group norm, and a way past them."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _layer(before, after, stride, groups=8)
        self.second = nn.Sequential(
            nn.Conv3d(after, after, 3, 1, 1, bias=False), nn.GroupNorm(8, after)
        )
        same = before == after and stride == 1
        self.past = nn.Identity() if same else nn.Conv3d(before, after, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(1, before, i, j, k) to (1, after, …)."""
        return functional.leaky_relu(self.second(self.first(x)) + self.past(x), SLOPE)


def _layer(before: int, after: int, stride: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(before, after, 3, stride, 1, bias=False),
        nn.GroupNorm(groups, after),
        nn.LeakyReLU(SLOPE),
    )


def _nothing_yet(layer: nn.Linear | nn.Conv3d) -> nn.Module:
    """A last layer that gives zeros until it is trained: the mapping begins as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _enlarged(coarse: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(coarse, like.shape[2:], mode="trilinear", align_corners=False)


def _as_channels(volume: Tensor) -> Tensor:
    """(2i, 2j, 2k) as (8, i, j, k)."""
    i, j, k = (size // FINER for size in volume.shape)
    parts = volume.reshape(i, FINER, j, FINER, k, FINER).permute(1, 3, 5, 0, 2, 4)
    return parts.reshape(FINER**3, i, j, k)


def _atlas_image() -> Tensor:
    return atlas_box().image(centres(ATLAS_GRID) * MARGIN)


def _places_as_channels() -> Tensor:
    i, j, k = ATLAS_GRID
    return centres((i // FINER, j // FINER, k // FINER)).movedim(-1, 0)
