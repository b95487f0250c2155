"""Prepared images packed small enough to travel: 64 grey levels, which the noise of the augmentation hides."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.files import atomic_file
from parcela_training.preparation.prepared_set import PreparedImage

LEVELS = 64
SUFFIX = ".packed.npz"
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 0, "pb": 0}]


def pack_image(prepared: PreparedImage, path: Path) -> None:
    """Write image and opened label; each voxel as its difference from its neighbours' prediction, then LZMA."""
    levels = np.rint(prepared.image.astype(np.float32) * (LEVELS - 1)).astype(np.uint8)
    with atomic_file(path) as stream:
        np.savez(
            stream,
            shape=np.array(levels.shape),
            image=_packed(_differences(levels)),
            label=_packed(prepared.label),
            affine=prepared.affine,
        )


def unpack_image(path: Path) -> PreparedImage:
    """Read what ``pack_image`` wrote; the image is within half of a grey level, the label as it was."""
    with np.load(path) as stored:
        shape = tuple(int(size) for size in stored["shape"])
        levels = _sums(_unpacked(stored["image"], shape))
        label, affine = _unpacked(stored["label"], shape), stored["affine"]
    image = (levels / np.float32(LEVELS - 1)).astype(np.float16)
    return PreparedImage(image, label, label, affine)


def _differences(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Along each axis in turn, modulo 256: Lorenzo's prediction."""
    for axis in range(levels.ndim):
        levels = np.diff(levels, axis=axis, prepend=np.uint8(0))
    return levels


def _sums(differences: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse."""
    for axis in range(differences.ndim):
        differences = np.cumsum(differences, axis=axis, dtype=np.uint8)
    return differences


def _packed(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.frombuffer(
        lzma.compress(values.tobytes(), lzma.FORMAT_RAW, filters=FILTERS), np.uint8
    )


def _unpacked(packed: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    raw = lzma.decompress(packed.tobytes(), lzma.FORMAT_RAW, filters=FILTERS)
    return np.frombuffer(raw, np.uint8).reshape(shape)
