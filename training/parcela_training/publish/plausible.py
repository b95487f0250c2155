"""The table of plausible classes: what each block of the grid can hold, as the training's labels show.

A head lies on the grid as the preprocessing puts it, in the box of its brain, so that a region is never far from where
it is in others. Prediction looks there for it first, and by samples everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from parcela.atlas.aal import CLASS_COUNT
from parcela.files import sha256_of
from parcela.imaging.geometry import Shape
from parcela.weights.cards import PLAUSIBLE
from parcela_inference.block_scores import EDGE
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet

MARGIN = 2  # voxels around a block whose classes it can hold too


def write_plausible(prepared: PreparedSet, folder: Path) -> dict[str, Any]:
    """Write the table beside the weights in ``folder``; returns what their card says of it."""
    files = prepared.files("train")
    table = plausible_table((PreparedImage.load(file).label for file in files), prepared.shape)
    packed = torch.from_numpy(np.packbits(table, axis=-1))
    save_file({"classes": packed}, folder / PLAUSIBLE)
    (folder / PLAUSIBLE).chmod(0o644)
    return {
        "sha256": sha256_of(folder / PLAUSIBLE),
        "from": "the labels of the training images",
        "images": len(files),
        "block_voxels": EDGE,
        "margin_voxels": MARGIN,
        "mean_classes": round(float(table.sum(-1)[table[..., 1:].any(-1)].mean()), 2),
    }


def plausible_table(labels: Iterable[NDArray[np.uint8]], shape: Shape) -> NDArray[np.bool_]:
    """Which classes each block holds in some label map, or close by: (i, j, k, 117)."""
    table = np.zeros((*(-(-size // EDGE) for size in shape), CLASS_COUNT), bool)
    table[..., 0] = True
    for label in labels:
        for place in np.ndindex(table.shape[:3]):
            i, j, k = (slice(max(0, EDGE * at - MARGIN), EDGE * (at + 1) + MARGIN) for at in place)
            table[place] |= np.bincount(label[i, j, k].ravel(), minlength=CLASS_COUNT) > 0
    return table
