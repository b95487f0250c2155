"""Label maps from a network in training: as MONAI alone would make them, and ours, faster.

Ours is for the validation during training alone: it runs the networks by the same fast paths as their training steps,
and never holds all scores of the 117 classes. What is published is measured on the engine that users run
(``parcela_training.evaluation.engine``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from monai.networks.nets import HighResNet, UNet
from numpy.typing import NDArray
from torch import Tensor, nn

from parcela.imaging.geometry import Shape
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela_inference.networks import pad_to_halvings
from parcela_inference.sub_lattices import OFFSETS, SubLattice, deepen, shallow
from parcela_inference.unet_layers import trunk
from parcela_training.networks.unet_step import statistics, top_block

Labels = NDArray[np.uint8]
Predictor = Callable[[NDArray[np.float32]], Labels]  # (I, J, K) in [0, 1] to ids on the same grid

SLAB = 8


def predictor(network: nn.Module, *, mixed_precision: bool = True) -> Predictor:
    """Ours, as a function of the image alone; the network is put into evaluation mode."""
    network.eval()
    return lambda image: predict(network, padded(image), _shape(image), mixed_precision)


def monai_predictor(network: nn.Module) -> Predictor:
    """MONAI's own forward pass, eager, float32, and an arg-max over the whole volume's scores."""
    network.eval()

    @torch.no_grad()
    def run(image: NDArray[np.float32]) -> Labels:
        scores: Tensor = network(padded(image).to(_device(network)))
        return _cropped(scores[0].argmax(0).to(torch.uint8), _shape(image))

    return run


@torch.no_grad()
def predict(
    network: nn.Module, image: Tensor, shape: Shape = MODEL_SHAPE, mixed_precision: bool = True
) -> Labels:
    """The label map of one padded image, in bf16 unless told otherwise.

    Args:
        network: a U-Net or a HighResNet in evaluation mode.
        image: (1, 1, I', J', K'), zeros at each axis's end, each size a multiple of 16.
        shape: (I, J, K) before the padding.

    Raises:
        TypeError: another kind of network.
    """
    device = _device(network)
    mixed = torch.autocast(device.type, torch.bfloat16) if mixed_precision else nullcontext()
    with mixed:
        if device.type != "cpu":
            labels = network(image.to(device))[0].argmax(0).to(torch.uint8)
        elif isinstance(network, UNet):
            labels = _predict_unet(network, image)
        elif isinstance(network, HighResNet):
            labels = _predict_highresnet(network, image)
        else:
            raise TypeError(f"there is no fast path for a {type(network).__name__}")
    return _cropped(labels, shape)


def padded(image: NDArray[np.float32]) -> Tensor:
    """(I, J, K) as (1, 1, I', J', K'): zeros at each axis's end, sizes that survive four halvings."""
    return pad_to_halvings(torch.from_numpy(np.ascontiguousarray(image))[None, None])


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _shape(image: NDArray[np.float32]) -> Shape:
    i, j, k = image.shape
    return i, j, k


def _cropped(labels: Tensor, shape: Shape) -> Labels:
    i, j, k = shape
    return np.ascontiguousarray(labels[:i, :j, :k].cpu().numpy())


def _predict_unet(unet: UNet, image: Tensor) -> Tensor:
    features = trunk(unet, image)
    moments = statistics(unet, features)
    depth, height, width = image.shape[-3:]
    slabs = [
        top_block(unet, features, moments, [(start, 0, 0)], (SLAB, height, width))
        for start in range(0, depth, SLAB)
    ]
    return torch.cat([slab[0].argmax(dim=0).to(torch.uint8) for slab in slabs])


def _predict_highresnet(network: HighResNet, image: Tensor) -> Tensor:
    labels = torch.zeros(image.shape[-3:], dtype=torch.uint8)
    hidden = shallow(network, image)
    for outer in OFFSETS:
        lattice = SubLattice(outer, OFFSETS)
        scores = deepen(network, hidden, lattice)
        lattice.put(labels, scores.argmax(dim=1).to(torch.uint8))
    return labels
