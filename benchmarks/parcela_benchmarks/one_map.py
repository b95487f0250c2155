"""The maps of scans by whichever Parcela runs this file, 9b2264a included: ``PYTHON -P one_map.py LABEL FOLDER…``.

Each folder holds ``scan.nii``, ``mask.nii`` where the brain is known, and ``order.json``: ``preprocess``, and the
``shape`` and ``affine`` of the grid that the map shall lie on. ``LABEL.json`` and ``LABEL.npz`` are what it leaves, as
soon as they are made; the images go.
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


def _map(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The map on the order's grid, and what was said of it; the verdict where this Parcela gives one."""
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
    trail = _onto(done.trail, shape, affine)
    parcellation = parcellate(done.image, trail, model="unet")
    said = {"warnings": [*scan.warnings, *getattr(done, "record", done).warnings]}
    if not hasattr(done, "in_view"):  # before the verdict
        return parcellation.labels, said
    labels = done.in_view(parcellation.labels, trail.scan)
    return labels, said | _verdict(scan, done, parcellation, labels, affine)


def _verdict(scan: Any, done: Any, parcellation: Any, labels: Any, affine: Any) -> dict[str, Any]:
    judging = import_module("parcela.quality.assess")
    weights = import_module("parcela.weights.cards").hashes_of("unet")
    evidence = judging.Evidence(
        *(scan, done, parcellation.on_grid, labels, affine),
        certainty=parcellation.certainty,
        weights=weights,
    )
    quality = judging.assess(evidence)
    return {
        "verdict": quality.verdict,
        "reasons": list(quality.reasons),
        "numbers": dict(quality.numbers),
    }


def main() -> None:
    label, *folders = sys.argv[1:]
    refusals = import_module("parcela.errors").ParcelaError
    for folder in map(Path, folders):
        outcome: dict[str, Any] = {"refused": None, "warnings": []}
        try:
            labels, said = _map(folder)
            np.savez_compressed(folder / f"{label}.npz", labels=labels)
            outcome |= said
        except refusals as error:
            outcome["refused"] = str(error)
        (folder / f"{label}.json").write_text(json.dumps(outcome))
        for file in folder.glob("*.nii"):
            file.unlink()


if __name__ == "__main__":
    main()
