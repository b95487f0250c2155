"""Seconds of the networks' dearest convolutions: by precision, memory layout and dilation.

Some releases of PyTorch have slow cases (pytorch#166122, #166643, #167420). A dilated convolution is also timed as a
plain one on the interleaved sub-lattices of its input (space to batch).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SHAPE = (96, 128, 128)
CHANNELS = 64  # HighResNet's last blocks
DILATIONS = (1, 2, 4)
PRECISIONS = {
    "cuda": (torch.float16, torch.bfloat16, torch.float32),
    "cpu": (torch.bfloat16, torch.float32),
}
LAYOUTS = (torch.contiguous_format, torch.channels_last_3d)
REPEATS = 5


def convolution_times(
    device: str, shape: tuple[int, int, int] = SHAPE, channels: int = CHANNELS
) -> list[dict[str, Any]]:
    """A row for each way: forward and backward of one convolution, the median of five after a first one."""
    rows = []
    for dtype, layout in product(PRECISIONS[device], LAYOUTS):
        image, kernel = _operands(device, (channels, *shape), dtype, layout)
        for dilation, (name, way) in product(DILATIONS, WAYS.items()):
            seconds = median_s(partial(way, image, kernel, dilation), device)
            row = {"precision": dtype, "layout": layout, "dilation": dilation, "way": name}
            shown = {name: str(value).removeprefix("torch.") for name, value in row.items()}
            rows.append({**shown, "dilation": dilation, "seconds": round(seconds, 6)})
    return rows


def _operands(
    device: str, shape: tuple[int, int, int, int], dtype: torch.dtype, layout: torch.memory_format
) -> tuple[Tensor, Tensor]:
    """An image (1, C, I, J, K) and a kernel (C, C, 3, 3, 3), random and with gradients."""
    sizes = (1, *shape), (shape[0], shape[0], 3, 3, 3)
    image, kernel = (
        torch.randn(size, device=device, dtype=dtype).to(memory_format=layout) for size in sizes
    )
    return image.requires_grad_(), (kernel / 40).requires_grad_()


def dilated(image: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    """PyTorch's own; (1, C, I, J, K) to the same size."""
    return functional.conv3d(image, kernel, padding=dilation, dilation=dilation)


def by_space_to_batch(image: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    """The same by a plain convolution; every size must be a multiple of ``dilation``."""
    parts = image
    for axis in (2, 3, 4):
        parts = torch.cat(
            [
                parts[(slice(None),) * axis + (slice(start, None, dilation),)]
                for start in range(dilation)
            ]
        )
    done = functional.conv3d(parts, kernel, padding=1)
    for axis in (4, 3, 2):
        done = torch.stack(done.chunk(dilation), dim=axis + 1).flatten(axis, axis + 1)
    return done


def median_s(work: Callable[[], Tensor], device: str, repeats: int = REPEATS) -> float:
    """Seconds of forward and backward."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        work().float().mean().backward()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return sorted(seconds[1:])[repeats // 2]


WAYS = {"dilated": dilated, "space to batch": by_space_to_batch}
