"""The thesis's two networks, with its parameters and MONAI's own parameter names; and the one that registers.

The thesis's two predict 117 class scores (background and the 116 AAL regions) on the padded grid: a volume of
``MODEL_SHAPE`` gets zeros at each axis's end up to ``PADDED_SHAPE``, whose sizes survive the
U-Net's four halvings, and the scores are cropped back.
"""

from __future__ import annotations

import torch
from monai.networks.nets import HighResNet, UNet
from torch.nn import functional

from parcela.atlas.aal import CLASS_COUNT
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.options import NETWORKS, Network, Preset
from parcela_inference.registration.network import RegistrationNetwork

PADDED_SHAPE = (96, 128, 128)
MULTIPLE = 16  # four halvings


def build(model: Network, variant: Preset = "modern") -> torch.nn.Module:
    """An untrained network on the CPU, in training mode.

    The U-Net is the same in both variants, and ``warp`` knows none. Raises ``ValueError`` for another name.
    """
    if model == "unet":
        return build_unet()
    if model == "highresnet":
        return build_highresnet(variant)
    if model == "warp":
        return RegistrationNetwork()
    raise ValueError(f"there is no network called {model!r}: choose from {', '.join(NETWORKS)}")


def build_unet() -> UNet:
    """MONAI's UNet as in the thesis: 5.28 million parameters."""
    return UNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=CLASS_COUNT,
        channels=(16, 32, 64, 128, 256),
        strides=(2, 2, 2, 2),
        num_res_units=2,
    )


def build_highresnet(variant: Preset = "modern") -> HighResNet:
    """MONAI's HighResNet as in the thesis: 0.82 million parameters.

    MONAI's ends in convolution, batch norm, ReLU: negative scores get no gradient and ties go to
    class 0. ``modern`` leaves that last ReLU out; the parameters and their names are the same.
    """
    network = HighResNet(spatial_dims=3, in_channels=1, out_channels=CLASS_COUNT)
    if variant == "modern":
        network.blocks[-1].adn.A = torch.nn.Identity()  # type: ignore[union-attr]
    elif variant != "thesis":
        raise ValueError(f"there is no variant called {variant!r}: choose 'thesis' or 'modern'")
    return network


def pad_to_network(volume: torch.Tensor) -> torch.Tensor:
    """Zeros at the end of the last three axes: (…, 91, 122, 123) becomes (…, 96, 128, 128).

    Raises ``ValueError`` when the last three axes are not ``MODEL_SHAPE``.
    """
    if tuple(volume.shape[-3:]) != MODEL_SHAPE:
        raise ValueError(f"the networks take {MODEL_SHAPE}, this volume is {tuple(volume.shape)}")
    return pad_to_halvings(volume)


def pad_to_halvings(volume: torch.Tensor) -> torch.Tensor:
    """Zeros at the end of the last three axes, up to sizes that survive the U-Net's four halvings."""
    i, j, k = (-size % MULTIPLE for size in volume.shape[-3:])
    return functional.pad(volume, (0, k, 0, j, 0, i))


def crop_from_network(volume: torch.Tensor) -> torch.Tensor:
    """The inverse of ``pad_to_network``: (…, 96, 128, 128) becomes (…, 91, 122, 123)."""
    if tuple(volume.shape[-3:]) != PADDED_SHAPE:
        raise ValueError(
            f"a padded volume has {PADDED_SHAPE}, this volume is {tuple(volume.shape)}"
        )
    i, j, k = MODEL_SHAPE
    return volume[..., :i, :j, :k]
