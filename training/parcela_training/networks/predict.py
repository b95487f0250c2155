"""Label maps from a network in training: as MONAI alone would make them, and ours, faster.

Ours is for the validation during training alone: it runs the networks by the same fast paths as their training steps,
and never holds all scores of the 117 classes. What is published is measured on the engine that users run
(``parcela_training.evaluation.engine``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

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
from parcela_training.networks.unet_step import activations, class_scores, statistics

Labels = NDArray[np.uint8]
Predictor = Callable[[NDArray[np.float32]], Labels]  # (I, J, K) in [0, 1] to ids on the same grid
Put = Callable[[Tensor, Tensor], None]  # a volume, and P parts of it

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
        i, j, k = _shape(image)
        labels = scores[0].argmax(0).to(torch.uint8)[:i, :j, :k]
        return np.ascontiguousarray(labels.cpu().numpy())

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
    labels = torch.zeros(image.shape[-3:], dtype=torch.uint8)
    with _mixed(network, mixed_precision):
        for put, scores in _parts(network, image):
            put(labels, scores.argmax(dim=1).to(torch.uint8).cpu())
    i, j, k = shape
    return np.ascontiguousarray(labels[:i, :j, :k].numpy())


@torch.no_grad()
def highest(
    network: nn.Module, image: Tensor, count: int, mixed_precision: bool = True
) -> tuple[Tensor, Tensor]:
    """The highest log probabilities of each voxel and their classes, (count, I', J', K') float16 and uint8.

    Arguments and errors as of ``predict``.
    """
    chances = torch.zeros((count, *image.shape[-3:]), dtype=torch.float16)
    ids = torch.zeros((count, *image.shape[-3:]), dtype=torch.uint8)
    with _mixed(network, mixed_precision):
        for put, scores in _parts(network, image):
            values, classes = scores.float().log_softmax(dim=1).topk(count, dim=1)
            put(chances, values.half().cpu())
            put(ids, classes.to(torch.uint8).cpu())
    return chances, ids


def padded(image: NDArray[np.float32]) -> Tensor:
    """(I, J, K) as (1, 1, I', J', K'): zeros at each axis's end, sizes that survive four halvings."""
    return pad_to_halvings(torch.from_numpy(np.ascontiguousarray(image))[None, None])


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _shape(image: NDArray[np.float32]) -> Shape:
    i, j, k = image.shape
    return i, j, k


def _mixed(network: nn.Module, mixed_precision: bool) -> AbstractContextManager[object]:
    return (
        torch.autocast(_device(network).type, torch.bfloat16) if mixed_precision else nullcontext()
    )


def _parts(network: nn.Module, image: Tensor) -> Iterator[tuple[Put, Tensor]]:
    """A volume's scores (P, 117, …) part by part, each with what puts P parts where they belong."""
    device = _device(network)
    if device.type != "cpu":
        yield _put_slab(0), network(image.to(device))
    elif isinstance(network, UNet):
        yield from _unet_parts(network, image)
    elif isinstance(network, HighResNet):
        yield from _highresnet_parts(network, image)
    else:
        raise TypeError(f"there is no fast path for a {type(network).__name__}")


def _unet_parts(unet: UNet, image: Tensor) -> Iterator[tuple[Put, Tensor]]:
    features = trunk(unet, image)
    moments = statistics(unet, features)
    depth, height, width = image.shape[-3:]
    for start in range(0, depth, SLAB):
        size = (SLAB, height, width)
        slab = activations(unet, features, moments, [(start, 0, 0)], size)
        yield _put_slab(start), class_scores(unet, slab)


def _put_slab(start: int) -> Put:
    def put(volume: Tensor, slab: Tensor) -> None:
        volume[..., start : start + slab.shape[-3], :, :] = slab[0]

    return put


def _highresnet_parts(network: HighResNet, image: Tensor) -> Iterator[tuple[Put, Tensor]]:
    hidden = shallow(network, image)
    for outer in OFFSETS:
        lattice = SubLattice(outer, OFFSETS)
        yield lattice.put, deepen(network, hidden, lattice)
