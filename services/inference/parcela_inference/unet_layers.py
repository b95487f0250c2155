"""MONAI's U-Net cut where its cost lies: a cheap trunk, and a top block with 95 % of the operations.

The trunk is everything up to the 32 features at half resolution. The top block is a transposed convolution to 117
channels, instance norm, PReLU, and a 117→117 convolution with a residual connection around it.
"""

from __future__ import annotations

from typing import cast

import torch
from monai.networks.nets import UNet
from torch import Tensor, nn

EPSILON = 1e-5  # of the instance norm


def trunk(unet: UNet, image: Tensor) -> Tensor:
    """(B, 1, I, J, K) → (B, 32, I/2, J/2, K/2): what enters the last up block."""
    encode, inner, _ = unet.model.children()
    features: Tensor = inner(encode(image))
    return features


def top_layers(unet: UNet) -> tuple[nn.ConvTranspose3d, nn.PReLU, nn.Conv3d]:
    """The top block's three layers with parameters: transposed convolution, PReLU, convolution."""
    top = unet.get_submodule("model.2")
    layers = (
        top.get_submodule("0.conv"),
        top.get_submodule("0.adn.A"),
        top.get_submodule("1.conv.unit0.conv"),
    )
    return cast(tuple[nn.ConvTranspose3d, nn.PReLU, nn.Conv3d], layers)


def parity_taps(weight: Tensor) -> Tensor:
    """(C, 117, 3, 3, 3) → (8 parities, 8·C neighbours, 117) for stride 2, padding 1.

    Along one axis an even output is w[1]·x[i]; an odd one w[2]·x[i] + w[0]·x[i+1].
    """
    select = weight.new_zeros(2, 2, 3)  # parity, shift, tap
    select[0, 0, 1] = select[1, 0, 2] = select[1, 1, 0] = 1.0
    taps = torch.einsum("pax,qby,rcz,ioxyz->pqrabcio", select, select, select, weight)
    return taps.reshape(8, -1, weight.shape[1])
