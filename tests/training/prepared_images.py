"""Prepared cohorts of made-up images, small enough to train and predict in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from parcela.imaging.geometry import Shape
from parcela_training.preparation.prepared_set import COLUMNS, PreparedImage, PreparedSet

SMALL: Shape = (32, 16, 16)  # at a sixteenth, the U-Net's lowest level still holds two voxels
PARTS = {"train": 2, "val": 1, "test": 3}
REGIONS = 20


def made_up_image(seed: int, shape: Shape = SMALL) -> PreparedImage:
    """Blocks of 20 regions, each of its own brightness, in noise; before the opening a region is a voxel larger."""
    draw = np.random.default_rng(seed)
    registered = np.zeros(shape, np.uint8)
    inner = registered[4:-4, 4:-4, 4:-4]
    bands = np.arange(inner.shape[0]) * REGIONS // inner.shape[0] + 1
    inner[:] = bands[:, None, None]
    label = registered.copy()
    label[4, 4, 4:-4] = 0
    image = registered / REGIONS + draw.normal(0, 0.005, shape) * (registered > 0)
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    return PreparedImage(image.clip(0, 1).astype(np.float16), label, registered, affine)


def made_up_cohort(
    folder: Path, shape: Shape = SMALL, preset: str = "demo", parts: dict[str, int] = PARTS
) -> PreparedSet:
    """A folder as ``prepare`` leaves it: two data sets, imported masks and labels."""
    (folder / "images").mkdir(parents=True)
    rows = []
    names = [part for part, count in parts.items() for _ in range(count)]
    for number, part in enumerate(names):
        name = f"sub-{number:02}"
        file = f"images/{name}_0123.npz"
        made_up_image(number, shape).save(folder / file)
        row = dict.fromkeys(COLUMNS, "n/a") | {
            "id": name,
            "subject": name,
            "dataset": "made-up A" if number % 2 else "made-up B",
            "split": part,
            "file": file,
            "mask_from": "imported",
            "label_from": "imported",
            "verdict": "ok",
        }
        rows.append(row)
    record = {
        "preset": preset,
        "chain": "modern",
        "opening": "modern",
        "shape": list(shape),
        "cohort": "made-up",
        "split_by": "subject",
        "failed": 0,
        "warnings": [],
    }
    found = PreparedSet(folder, tuple(rows), record)
    found.write()
    return PreparedSet.read(folder)
