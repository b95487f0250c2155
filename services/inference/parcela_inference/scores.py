"""Class scores of a network on one preprocessed image."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from parcela.errors import BadRequest, LimitExceeded
from parcela.settings import settings
from parcela.weights.cards import Model
from parcela_inference.networks import crop_from_network, pad_to_network
from parcela_inference.weights import network

Device = Literal["auto", "cpu", "cuda"]


def choose_device(device: Device = "auto") -> str:
    """``cuda`` where there is one, else ``cpu``; raises BadRequest when ``cuda`` was asked for and is not there."""
    present = torch.cuda.is_available()
    if device == "cuda" and not present:
        raise BadRequest("--device cuda: PyTorch sees no CUDA device here; use --device cpu")
    return "cuda" if present and device != "cpu" else "cpu"


@torch.no_grad()
def class_scores(image: NDArray[np.float32], model: Model, device: str = "cpu") -> torch.Tensor:
    """Softmax scores on the model's grid, in 16 bits, on the CPU; computed in ``PARCELA_TORCH_PRECISION``.

    Args:
        image: (91, 122, 123) in [0, 1], as ``preprocess`` leaves it.
        model: which network.
        device: ``cpu`` or ``cuda``.

    Returns:
        (91, 122, 123, 117) float16. Channels last: what follows walks through voxels.

    Raises:
        LimitExceeded: the device has not enough memory.
    """
    torch.set_num_threads(settings().torch_threads)
    in_16_bits = settings().torch_precision == "bfloat16"
    tensor = pad_to_network(torch.from_numpy(image)[None, None].to(device))
    net = network(model, device)
    if in_16_bits:  # the layout that their convolutions are fast in
        net = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        tensor = tensor.contiguous(memory_format=torch.channels_last_3d)
    try:
        with torch.autocast(device, torch.bfloat16, enabled=in_16_bits):
            logits = crop_from_network(net(tensor))[0]  # (117, 91, 122, 123)
        scores = torch.empty((*logits.shape[1:], logits.shape[0]), dtype=torch.float16)
        for i in range(logits.shape[1]):  # by sagittal planes: no second full volume in 32 bits
            scores[i] = logits[:, i].float().softmax(0).movedim(0, -1).to("cpu", torch.float16)
    except torch.OutOfMemoryError as error:
        raise LimitExceeded(f"{device} ran out of memory for {model}: use --device cpu") from error
    return scores
