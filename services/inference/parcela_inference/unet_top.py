"""The U-Net's top block, evaluated where it is asked for: as MONAI's forward pass there, to rounding.

The transposed convolution is a product of matrices for each parity of the output's voxels, with the instance norm
folded into their weights. The norm's mean and variance are those of the whole volume: each parity is linear in 2×2×2
features, so they follow from the features' second moments, and no output is formed for them. The residual connection
around the last convolution is folded into the middle of its kernel.
"""

from __future__ import annotations

from itertools import product
from typing import cast

import torch
from monai.networks.nets import UNet
from torch import Tensor
from torch.nn import functional

from parcela.atlas.aal import CLASS_COUNT
from parcela_inference.unet_layers import EPSILON, parity_taps, top_layers

CHANNELS = 120  # 117 and three of zeros: rows of whole vectors are multiplied twice as fast
PARITIES = tuple(product((0, 1), repeat=3))


class TopBlock:
    """The top block of one volume.

    Args:
        unet: in evaluation mode.
        features: (32, I/2, J/2, K/2), what enters the block.
    """

    def __init__(self, unet: UNet, features: Tensor) -> None:
        upsample, activation, last = top_layers(unet)
        self._features = functional.pad(features, (0, 1, 0, 1, 0, 1)).movedim(0, -1).contiguous()
        taps = parity_taps(upsample.weight.double())
        mean, variance = _moments(self._features, taps)
        scale = torch.rsqrt(variance + EPSILON)
        self._shift = _widened(-mean * scale).float()
        self._weights = _by_parity(_widened(taps * scale).float())
        self._slope = float(activation.weight)
        kernel = last.weight.clone()
        kernel.diagonal()[1, 1, 1] += 1
        self._kernel = _widened(kernel.movedim(1, -1)).contiguous()  # (117, 3, 3, 3, 120)
        self._bias = cast(Tensor, last.bias)

    @property
    def size(self) -> tuple[int, int, int]:
        """Of the features: half the output's."""
        i, j, k = (n - 1 for n in self._features.shape[:3])
        return i, j, k

    def raise_plane(self, into: Tensor, plane: int, cells: Tensor) -> None:
        """Make what enters the last convolution, in one plane of the output.

        Args:
            into: (J+2, K+2, 120) or larger, with a voxel before the first; is filled where the cells are.
            plane: along the output's first axis; beyond its ends all is 0.
            cells: (n, 2) places of features along the other axes, each to be raised to four voxels.
        """
        if not 0 <= plane < 2 * self.size[0]:
            into.zero_()
            return
        low, parity = divmod(plane, 2)
        row, width = self._features.shape[2], into.shape[1]
        for (p, q, r), weights in zip(PARITIES, self._weights, strict=True):
            if p == parity:
                around = product(range(p + 1), range(q + 1), range(r + 1))
                columns = [
                    self._features[low + a].flatten(0, 1)[(cells[:, 0] + b) * row + cells[:, 1] + c]
                    for a, b, c in around
                ]
                raised = torch.addmm(self._shift, torch.cat(columns, -1), weights)
                voxels = (2 * cells[:, 0] + q + 1) * width + 2 * cells[:, 1] + r + 1
                into.flatten(0, 1).index_copy_(
                    0, voxels, functional.leaky_relu_(raised, self._slope)
                )

    def every_class(self, raised: Tensor, voxels: Tensor) -> Tensor:
        """The scores before the softmax, (n, 117), at (n, 3) voxels of (i+2, j+2, k+2, 120) raised, a voxel around."""
        size = torch.tensor(raised.shape[:3])
        first = (voxels[:, 0] * size[1] + voxels[:, 1]) * size[2] + voxels[:, 2]
        scores, flat = self._bias.repeat(len(voxels), 1), raised.flatten(0, 2)
        for a, b, c in product(range(3), repeat=3):
            at = first + (a * size[1] + b) * size[2] + c
            scores.addmm_(flat[at], self._kernel[:, a, b, c].T)
        return scores

    def some_classes(self, raised: Tensor, classes: Tensor) -> Tensor:
        """The scores of (m,) classes before the softmax, (m, i, j, k), of (i+2, j+2, k+2, 120) raised."""
        whole = functional.pad(classes, (0, -len(classes) % 8))  # vectors, again
        kernel = self._kernel[whole].movedim(-1, 1)
        scores = functional.conv3d(raised.movedim(-1, 0)[None], kernel, self._bias[whole])
        return scores[0, : len(classes)]


def _moments(features: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance, (117,) float64, of the transposed convolution without its bias, which the norm takes away.

    Args:
        features: (I+1, J+1, K+1, C), zeros at each end.
        taps: (8, 8·C, 117) float64.
    """
    i, j, k = (size - 1 for size in features.shape[:3])
    half = taps.shape[1] // 2  # the neighbours in one plane; the others lie in the next
    total, products = taps.new_zeros(2 * half), taps.new_zeros(2 * half, 2 * half)
    lower = first = _in_plane(features[0])
    for plane in range(1, i + 1):  # float32 adds up one plane, and float64 the planes
        upper = _in_plane(features[plane])
        total += torch.cat([lower.sum(0), upper.sum(0)])
        products[:half, :half] += lower.T @ lower
        products[:half, half:] += lower.T @ upper
        lower = upper
    products[half:, :half] = products[:half, half:].T
    products[half:, half:] = products[:half, :half] - first.T @ first  # the last plane is of zeros
    mean = torch.einsum("n,pno->po", total / (i * j * k), taps).mean(0)
    square = torch.einsum("pno,nm,pmo->po", taps, products / (i * j * k), taps).mean(0)
    return mean, square - mean.square()


def _in_plane(plane: Tensor) -> Tensor:
    """(J+1, K+1, C) → (J·K, 4·C): each voxel and the three beyond it."""
    j, k = (size - 1 for size in plane.shape[:2])
    return torch.cat([plane[b : b + j, c : c + k] for _, b, c in PARITIES[:4]], -1).flatten(0, 1)


def _by_parity(taps: Tensor) -> list[Tensor]:
    """Of (8, 8·C, n) taps those that a parity has, (C to 8·C, n): an even one has no upper neighbour."""
    by_neighbour = taps.unflatten(1, (2, 2, 2, -1))
    return [
        by_neighbour[number, : p + 1, : q + 1, : r + 1].flatten(0, 3).contiguous()
        for number, (p, q, r) in enumerate(PARITIES)
    ]


def _widened(values: Tensor) -> Tensor:
    """(…, 117) → (…, 120)."""
    return functional.pad(values, (0, CHANNELS - CLASS_COUNT))
