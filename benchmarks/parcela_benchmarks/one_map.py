"""The maps of scans by whichever Parcela runs this file, 9b2264a included: ``PYTHON -P one_map.py LABEL FOLDER…``.

Each folder holds ``scan.nii``, ``mask.nii`` where the brain is known, and ``order.json``: ``preprocess``, and the
``shape`` and ``affine`` of the grid that the map shall lie on. ``LABEL.json`` and ``LABEL.npz`` are what it leaves.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _module(name: str) -> Any:
    try:
        return import_module(f"parcela.imaging.{name}")
    except ModuleNotFoundError:  # before the rooms
        return import_module(f"parcela.{name}")


def _onto(trail: Any, shape: tuple[int, int, int], affine: NDArray[np.float64]) -> Any:
    """The trail from another grid than the scan's to the model's."""
    if hasattr(trail, "model_shape"):  # before trails were records
        return replace(trail, scan_shape=shape, scan_affine=affine)
    return trail.model_copy(update={"scan": type(trail.scan)(shape=shape, affine=affine)})


def _map(folder: Path) -> tuple[Any, list[str]]:
    read_volume = _module("volume").read_volume
    preprocess = import_module("parcela_preprocess.preprocess").preprocess
    parcellate = import_module("parcela_inference.parcellate").parcellate
    order = json.loads((folder / "order.json").read_text())
    scan = read_volume(folder / "scan.nii")
    mask_file = folder / "mask.nii"
    mask = read_volume(mask_file).data.astype(np.uint8) if mask_file.exists() else None
    strip = "preprocess"
    if "strip_and_correct" in preprocess.__kwdefaults__:
        strip = "strip_and_correct"
    done = preprocess(scan, mask=mask, **{strip: order["preprocess"]})
    shape, affine = tuple(order["shape"]), np.array(order["affine"])
    labels_trail = _onto(done.trail, shape, affine)
    labels = parcellate(done.image, labels_trail, model="unet").labels
    return (labels, done.image), [*scan.warnings, *getattr(done, "record", done).warnings]


def main() -> None:
    label, *folders = sys.argv[1:]
    refusals = import_module("parcela.errors").ParcelaError
    for folder in map(Path, folders):
        outcome: dict[str, Any] = {"refused": None, "warnings": []}
        try:
            (labels, image), outcome["warnings"] = _map(folder)
            np.savez_compressed(folder / f"{label}.npz", labels=labels, image=image)
        except refusals as error:
            outcome["refused"] = str(error)
        (folder / f"{label}.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    main()
