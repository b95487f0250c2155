"""Class scores of a network on one preprocessed image."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast, get_args

import numpy as np
import torch
from monai.networks.nets import HighResNet, UNet
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT
from parcela.errors import BadRequest, LimitExceeded
from parcela.options import Device, Network
from parcela.settings import settings
from parcela_inference.block_scores import BlockScores
from parcela_inference.networks import pad_to_halvings, pad_to_network
from parcela_inference.registration.mapping import Mapping
from parcela_inference.registration.network import RegistrationNetwork
from parcela_inference.registration.scores import (
    RegistrationScores,
    class_scores_by_registration,
)
from parcela_inference.sub_lattices import class_scores_by_lattices
from parcela_inference.unet_by_blocks import class_scores_by_blocks
from parcela_inference.weights import network, plausible_classes

MOST_OUTSIDE = 0.005  # of a head, where it is not plausible: benchmarks/results/plausible.md


def choose_device(device: Device = "auto") -> str:
    """What the networks shall run on: by ``auto`` CUDA, else Apple's GPU (``mps``), else the processor.

    Raises:
        BadRequest: no such device, or it is not there.
    """
    if device not in get_args(Device):
        raise BadRequest(f"device={device!r}: choose from {', '.join(get_args(Device))}")
    if device == "cpu":
        return "cpu"
    wanted = ACCELERATORS if device == "auto" else (device,)
    present = [name for name in wanted if ACCELERATORS[name]()]
    if not present and device != "auto":
        raise BadRequest(f"--device {device}: PyTorch can use none here; use --device cpu")
    return present[0] if present else "cpu"


def _apple_gpu() -> bool:
    """Whether Apple's GPU is there and can do the U-Net's transposed convolutions, as older PyTorch cannot.

    Nobody has tried the networks on one.
    """
    if not torch.backends.mps.is_available():
        return False
    try:
        image, kernel = (torch.zeros(1, 1, size, size, size, device="mps") for size in (2, 3))
        torch.nn.functional.conv_transpose3d(image, kernel)
    except RuntimeError:
        return False
    return True


ACCELERATORS: dict[str, Callable[[], bool]] = {  # the first that is there is taken
    "cuda": torch.cuda.is_available,
    "mps": _apple_gpu,
}


@torch.no_grad()
def class_scores(
    image: NDArray[np.float32],
    model: Network,
    device: str = "cpu",
    trained: torch.nn.Module | None = None,
    exact: bool = False,
) -> BlockScores:
    """Scores on the model's grid, on the CPU; computed in ``PARCELA_TORCH_PRECISION``.

    Of the thesis's two networks they are their softmax; of the one that registers, shares of each voxel.

    Args:
        image: (91, 122, 123) in [0, 1], as ``preprocess`` leaves it.
        model: which network.
        device: as `choose_device` says.
        trained: a network of this kind, in evaluation mode on the device, instead of the one that ships; its images
            may lie on any grid.
        exact: by MONAI's own forward pass, whatever quicker way there is.

    Raises:
        LimitExceeded: the device has not enough memory.
    """
    torch.set_num_threads(settings().torch_threads)
    in_16_bits = settings().torch_precision == "bfloat16"
    if model == "warp":
        return _by_registration(image, device, trained)
    net = network(model, device) if trained is None else trained
    quick = device == "cpu" and not exact
    plausible = plausible_classes(model) if quick and trained is None and not in_16_bits else None
    if plausible is not None and isinstance(net, UNet):
        scores, outside = class_scores_by_blocks(net, torch.from_numpy(image), plausible)
        if outside <= MOST_OUTSIDE:
            return scores
    pad = pad_to_network if trained is None else pad_to_halvings
    tensor = pad(torch.from_numpy(image)[None, None].to(device))
    if in_16_bits:  # the layout that their convolutions are fast in
        net = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        tensor = tensor.contiguous(memory_format=torch.channels_last_3d)
    dense = torch.empty((*image.shape, CLASS_COUNT), dtype=torch.float16)
    try:
        with torch.autocast(device, torch.bfloat16, enabled=in_16_bits):
            if quick and isinstance(net, HighResNet):
                class_scores_by_lattices(net, tensor, dense)
                return BlockScores.of(dense, "sub-lattices")
            _class_scores_at_once(net, tensor, dense)
    except RuntimeError as error:  # Apple's GPU has no class of its own for it
        if not isinstance(error, torch.OutOfMemoryError) and "out of memory" not in str(error):
            raise
        raise LimitExceeded(f"{device} ran out of memory for {model}: use --device cpu") from error
    return BlockScores.of(dense)


def _by_registration(
    image: NDArray[np.float32], device: str, trained: torch.nn.Module | None
) -> RegistrationScores:
    where = "cpu" if device == "mps" else device  # Apple's GPU cannot sample volumes
    net = cast(RegistrationNetwork, network("warp", where) if trained is None else trained)
    net = net.to(where)
    i, j, k = image.shape
    padded = pad_to_halvings(torch.from_numpy(image)[None, None].to(where))
    in_16_bits = settings().torch_precision == "bfloat16"
    with torch.autocast(where, torch.bfloat16, enabled=in_16_bits):
        mapping: Mapping = net(padded, (i, j, k))
    return class_scores_by_registration(mapping.cpu(), torch.from_numpy(image), net.regions.cpu())


def _class_scores_at_once(net: torch.nn.Module, image: torch.Tensor, scores: torch.Tensor) -> None:
    """Fill (I, J, K, 117) by the network's own forward pass on a padded image (1, 1, I', J', K')."""
    i, j, k, _ = scores.shape
    logits = net(image)[0, :, :i, :j, :k]  # (117, I, J, K)
    for plane in range(i):  # by sagittal planes: no second full volume in 32 bits
        softmax = logits[:, plane].float().softmax(0)
        scores[plane] = softmax.movedim(0, -1).to("cpu", torch.float16)
