"""The processes that train one network together: PyTorch's own DDP, started by ``torchrun``.

Alone, a process is the only rank of one. Under ``torchrun`` each rank takes its share of every batch;
the first one writes the files.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The place of this process among those that train together."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def maximum(self, *values: float) -> list[float]:
        """The largest of each value over all ranks: what they must agree on, such as the clock."""
        if self.count == 1:
            return list(values)
        largest = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return [float(value) for value in largest]

    def total(self, values: Tensor) -> Tensor:
        """The sum over all ranks, elementwise; no gradient."""
        if self.count == 1:
            return values
        summed = values.detach().to(self.device, copy=True)
        dist.all_reduce(summed)
        return summed.to(values.device)

    def distributed(self, module: nn.Module, *, unused: bool) -> nn.Module:
        """A module whose gradients are averaged over the ranks; ``unused``: some steps leave parameters out.

        On CUDA its batch norms use all ranks' images. PyTorch has no such batch norm for a CPU:
        there each rank normalises by its own images, as a step on one of them would, and the
        running statistics are the first rank's.
        """
        if self.count == 1:
            return module
        if self.device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return DistributedDataParallel(module, find_unused_parameters=unused)


@contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Join the processes that ``torchrun`` started, and leave together; alone without it.

    They are joined once for the life of the process: two networks may be trained one after the other.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ProcessGroup(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    yield ProcessGroup(dist.get_rank(), count, device)
    dist.barrier(device_ids=[device.index] if device.type == "cuda" else None)


def pooled(values: Tensor) -> Tensor:
    """The sum over all ranks, through which gradients flow.

    A loss of pooled sums is the same on every rank, and its averaged gradient is that of one
    process with all the images.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return values
    summed: Tensor = all_reduce(values)
    return summed
