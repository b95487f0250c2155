"""A prepared cohort at half its grid, where a training takes minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet


def halved(prepared: PreparedSet, folder: Path) -> PreparedSet:
    """The training and validation images with every two voxels along an axis made one.

    Intensities are averaged; a label is the most frequent one of its eight voxels, of several the lowest. What
    ``folder`` already holds is not made again.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = tuple(row for part in ("train", "val") for row in prepared.of(part))
    for row in rows:
        file = folder / row["file"]
        if not file.exists():
            halve(PreparedImage.load(prepared.folder / row["file"])).save(file)
    shape = [-(-size // 2) for size in prepared.shape]
    record = {**prepared.record, "preset": "demo", "shape": shape}
    PreparedSet(folder, rows, record).write()
    return PreparedSet.read(folder)


def halve(subject: PreparedImage) -> PreparedImage:
    """One image of (I, J, K) voxels as (⌈I/2⌉, ⌈J/2⌉, ⌈K/2⌉), where it was in the world."""
    affine = subject.affine.copy()
    affine[:3, 3] += affine[:3, :3].sum(axis=1) / 2  # the middle of the first eight voxels
    affine[:3, :3] *= 2
    image = _blocks(subject.image).mean(axis=-1, dtype=np.float32).astype(np.float16)
    return PreparedImage(
        image, _most(subject.label), _most(subject.registered), affine, subject.record
    )


def _blocks(volume: NDArray[Any]) -> NDArray[Any]:
    """(I, J, K) as (⌈I/2⌉, ⌈J/2⌉, ⌈K/2⌉, 8), zeros beyond the end."""
    i, j, k = (-(-size // 2) for size in volume.shape)
    whole = np.pad(volume, [(0, size % 2) for size in volume.shape])
    return whole.reshape(i, 2, j, 2, k, 2).transpose(0, 2, 4, 1, 3, 5).reshape(i, j, k, 8)


def _most(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    blocks = np.sort(_blocks(labels), axis=-1)
    counts = (blocks[..., :, None] == blocks[..., None, :]).sum(axis=-1)
    best: NDArray[np.uint8] = np.take_along_axis(blocks, counts.argmax(-1)[..., None], -1)[..., 0]
    return best
