"""The U-Net cut where its cost lies: a cheap trunk, and a top block evaluated on patches.

95 % of MONAI's U-Net is its last 117→117 convolution at full resolution. The trunk (everything up
to the 32 channels at half resolution) sees the whole volume; the top block (transposed
convolution, instance norm, PReLU, convolution) is evaluated only on patches of the output, with
the whole volume's instance-norm statistics. A patch therefore equals the same part of MONAI's own
forward, to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from monai.networks.nets import UNet
from torch import Tensor
from torch.nn import functional

from parcela_inference.unet_layers import EPSILON, parity_taps, top_layers


def statistics(
    unet: UNet, features: Tensor, offset: tuple[int, int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance (B, 117) of the transposed convolution over the whole volume.

    The output is never formed: each of its eight parities is linear in a 2×2×2 neighbourhood of
    the features, so its moments follow from the neighbourhood's mean and covariance. With an
    ``offset`` (0 or 1 per axis) they are estimated from every other position of each axis only,
    an eighth of the volume at an eighth of the cost.
    """
    upsample, _, _ = top_layers(unet)
    neighbours = _neighbourhoods(features.float(), offset)
    mean = neighbours.mean(dim=1)
    covariance = _covariance(neighbours - mean[:, None], features.dtype)
    taps = parity_taps(upsample.weight.float())
    parity_mean = torch.einsum("bn,pno->bpo", mean, taps) + cast(Tensor, upsample.bias).float()
    parity_variance = torch.einsum("pno,bnm,pmo->bpo", taps, covariance, taps)
    total_mean = parity_mean.mean(dim=1)
    spread = (parity_mean - total_mean[:, None]).square()
    # bf16 can round a variance near zero to below it.
    return total_mean, (parity_variance + spread).mean(dim=1).clamp_min(0)


def _neighbourhoods(features: Tensor, offset: tuple[int, int, int] | None) -> Tensor:
    """(B, C, I, J, K) → (B, positions, 8·C), zeros beyond each axis's end."""
    i, j, k = features.shape[-3:]
    padded = functional.pad(features, (0, 1, 0, 1, 0, 1))
    (a, b, c), step = (offset, 2) if offset else ((0, 0, 0), 1)
    shifts = [
        padded[..., a + di : di + i : step, b + dj : dj + j : step, c + dk : dk + k : step].flatten(
            2
        )
        for di in (0, 1)
        for dj in (0, 1)
        for dk in (0, 1)
    ]
    return torch.cat(shifts, dim=1).transpose(1, 2)


def _covariance(centred: Tensor, dtype: torch.dtype, chunks: int = 8) -> Tensor:
    """Sums of short products: bf16 rounds each chunk's result, float32 adds them."""
    products = [
        (part.to(dtype).transpose(1, 2) @ part.to(dtype)).float()
        for part in centred.chunk(chunks, dim=1)
    ]
    return torch.stack(products).sum(dim=0) / centred.shape[1]


def activations(
    unet: UNet,
    features: Tensor,
    moments: tuple[Tensor, Tensor],
    starts: Sequence[tuple[int, int, int]],
    size: tuple[int, int, int],
) -> Tensor:
    """What enters the last convolution under P patches of the output: (P, 117, *size), a voxel more on each side.

    ``starts`` and ``size`` are output voxels and even; ``features`` is (1, 32, I/2, J/2, K/2).
    """
    upsample, activation, _ = top_layers(unet)
    raised = functional.conv_transpose3d(
        _feature_patches(features, starts, size),
        upsample.weight,
        upsample.bias,
        stride=2,
        padding=1,
        output_padding=1,
    )[..., 1:-1, 1:-1, 1:-1]
    mean, variance = moments
    scale = torch.rsqrt(variance + EPSILON)
    shift = (-mean * scale)[..., None, None, None].to(raised.dtype)
    normal = activation(raised * scale[..., None, None, None].to(raised.dtype) + shift)
    normal = normal * _inside(features, starts, size).to(normal.dtype)
    whole: Tensor = normal.contiguous(memory_format=torch.channels_last_3d)
    return whole


def class_scores(unet: UNet, normal: Tensor, classes: Tensor | None = None) -> Tensor:
    """The last convolution, and the residual connection around it, for some classes or all: (P, C, *size)."""
    _, _, last = top_layers(unet)
    weight, bias, kept = last.weight, cast(Tensor, last.bias), normal[..., 1:-1, 1:-1, 1:-1]
    if classes is not None:
        weight, bias, kept = weight[classes], bias[classes], kept[:, classes]
    scores: Tensor = functional.conv3d(normal, weight, bias) + kept
    return scores


def _feature_patches(
    features: Tensor, starts: Sequence[tuple[int, int, int]], size: tuple[int, int, int]
) -> Tensor:
    """The features under each patch and one voxel around it, zeros outside the volume."""
    padded = functional.pad(features[0], (1, 1, 1, 1, 1, 1)).movedim(0, -1)
    places = torch.arange(padded[..., 0].numel()).reshape(padded.shape[:-1])
    di, dj, dk = (extent // 2 + 2 for extent in size)
    wanted = [
        places[i // 2 : i // 2 + di, j // 2 : j // 2 + dj, k // 2 : k // 2 + dk]
        for i, j, k in starts
    ]
    # Looked up by voxel: a slice's gradient would be as large as the volume, for every patch.
    return functional.embedding(torch.stack(wanted), padded.flatten(0, 2)).movedim(-1, 1)


def _inside(
    features: Tensor, starts: Sequence[tuple[int, int, int]], size: tuple[int, int, int]
) -> Tensor:
    """1 where a patch with its margin of one output voxel lies in the volume, else 0."""
    shape = [2 * extent for extent in features.shape[-3:]]
    masks = []
    for start in starts:
        axes = [
            (torch.arange(first - 1, first + extent + 1) >= 0)
            & (torch.arange(first - 1, first + extent + 1) < whole)
            for first, extent, whole in zip(start, size, shape, strict=True)
        ]
        masks.append(axes[0][:, None, None] & axes[1][:, None] & axes[2])
    return torch.stack(masks)[:, None]
