"""One scan before and after each preprocessing step: what Figures 3.1 to 3.9 show."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Orientationd
from numpy.typing import NDArray

from parcela.imaging.geometry import Affine, Shape
from parcela.imaging.volume import Volume
from parcela.options import Preset, Stripper
from parcela_preprocess.chain import IMAGE, steps
from parcela_preprocess.transforms.skull_strip import MASK
from parcela_training.report.pictures.slices import Scan

Steps = dict[str, tuple[Scan, Scan]]


def step_volumes(
    volume: Volume,
    mask: NDArray[np.uint8] | None,
    *,
    preset: Preset,
    shape: Shape,
    skull_strip: Stripper = "robex",
) -> tuple[Scan, Steps, Scan]:
    """The scan as received, before and after each step that has a figure, and after all of them.

    Args:
        volume: the scan.
        mask: (X, Y, Z) on its grid, a brain mask from elsewhere; None: found by ``skull_strip``.
        preset: ``thesis`` or ``modern``, which turns the scan to RAS+ before the first step.
        shape: the networks' grid.
        skull_strip: with a mask ignored.

    Raises:
        StepFailed: a step crashed, or its result is implausible.
    """
    data = _start(volume, mask)
    received = _scan(data)
    if preset == "modern":
        data = Orientationd(list(data), axcodes="RAS", labels=None)(data)
    pairs: Steps = {}
    before_origin = received
    for name, transform in steps(preset, "given" if mask is not None else skull_strip, shape):
        before = _scan(data)
        data = dict(transform(data))
        if name == "origin":
            before_origin = before
        else:
            pairs[name] = (before_origin if name == "resize" else before, _scan(data))
    return received, pairs, _scan(data)


def _start(volume: Volume, mask: NDArray[np.uint8] | None) -> dict[Any, Any]:
    affine = volume.geometry.affine
    data: dict[Any, Any] = {IMAGE: _channel_first(volume.data, affine)}
    return data if mask is None else data | {MASK: _channel_first(mask, affine)}


def _channel_first(array: NDArray[Any], affine: Affine) -> MetaTensor:
    return MetaTensor(
        torch.from_numpy(np.ascontiguousarray(array)[None]), affine=torch.from_numpy(affine.copy())
    )


def _scan(data: dict[Any, Any]) -> Scan:
    image: MetaTensor = data[IMAGE]
    return Scan(np.array(image[0]), np.array(image.affine, np.float64))
