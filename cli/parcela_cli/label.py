"""``parcela label``: the atlas registered to each scan, on the scan's own grid."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from parcela.atlas import CLASS_COUNT
from parcela.bundle import file_name, write_bundle
from parcela.manifest import Manifest, software_versions
from parcela.settings import settings
from parcela.trail import GeometryTrail
from parcela.volume import Volume, read_volume
from parcela_cli.batch import run_batch
from parcela_cli.destination import check_destination
from parcela_cli.pipeline import LIBRARIES, OnStep, Prediction, SkullStrip, doubts
from parcela_cli.predict import already_done, summary, write
from parcela_cli.progress import Progress, warn

if TYPE_CHECKING:
    from parcela_labelling.label import Labelling

CHECK_FILE = "desc-registration_check.json"


@dataclass(frozen=True)
class LabelOptions:
    """Everything that changes a bronze label."""

    preset: Literal["modern", "thesis"] = "modern"
    skull_strip: SkullStrip = "robex"
    preprocess: bool = True

    def parameters(self) -> dict[str, Any]:
        """As recorded in the manifest; the bytes of N4 and of the registration depend on the thread count."""
        return {
            "preset": self.preset,
            "preprocess": self.preprocess,
            "skull_strip": self.skull_strip if self.preprocess else None,
            "registration": "SyN",
            "itk_threads": settings().itk_threads,
            "torch_threads": settings().torch_threads,
        }

    def weights(self) -> dict[str, str | None]:
        """No network has a part in it."""
        return {}


@dataclass(frozen=True, eq=False, kw_only=True)
class Labelled(Prediction):
    """One scan labelled by registration: a prediction's bundle, with the transforms and the check beside it.

    Attributes:
        labelling: what the registration gave, on the model's grid.
    """

    labelling: Labelling

    def save(self, folder: str | Path, name: str | None = None) -> dict[str, Path]:
        """Write the bundle into ``folder``; returns the path of each file by its kind."""
        return write_bundle(
            Path(folder),
            name=name or self.scan.name,
            labels=self.labels,
            brain_mask=self.brain_mask,
            scan=self.scan,
            manifest=self.manifest,
            attachments={
                CHECK_FILE: self.labelling.check.to_json().encode(),
                **self.labelling.transforms.files,
            },
        )


def label_all(scans: Sequence[Path], out: Path, options: LabelOptions, *, force: bool) -> int:
    """Label each scan into ``out``; one line on stdout for each. Returns the exit code."""
    check_destination(scans, out)
    return run_batch(scans, lambda scan, name: _one(scan, name, out, options, force=force))


def _one(scan: Path, name: str, out: Path, options: LabelOptions, *, force: bool) -> None:
    limits = settings()
    volume = read_volume(scan, max_voxels=limits.max_voxels, max_bytes=limits.max_bytes)
    if not force and already_done(out, name, volume, options):
        print(f"{out / file_name('dseg', name)}\talready done", flush=True)
        return
    with Progress(str(scan)) as progress:
        labelled = run_label(volume, options, progress.step)
        progress.step("write")
        path = write(labelled, out, name)
    for warning in labelled.warnings:
        warn(warning)
    verdict = labelled.labelling.check.verdict
    print(f"{summary(labelled, path)}\tregistration {verdict}", flush=True)


def run_label(volume: Volume, options: LabelOptions, on_step: OnStep | None = None) -> Labelled:
    """Preprocess, register the atlas, open, check, bring the labels to the scan's grid, and record how."""
    from parcela_labelling.label import label
    from parcela_preprocess.preprocess import preprocess

    ready = preprocess(
        volume,
        preset=options.preset,
        skull_strip=options.skull_strip,
        strip_and_correct=options.preprocess,
        on_step=on_step,
    )
    found = label(ready.image, ready.trail, opening=options.preset, on_step=on_step)
    if on_step is not None:
        on_step("to native")
    begun = time.perf_counter()
    labels = labels_on_scan(found.labels, ready.trail)
    seconds = {"to native": round(time.perf_counter() - begun, 3)}
    manifest = Manifest(
        task="label",
        software=software_versions(LIBRARIES),
        parameters=options.parameters(),
        seconds=ready.seconds | found.seconds | seconds,
        warnings=(*ready.warnings, *found.warnings, *doubts(labels)),
    )
    return Labelled(volume, labels, ready.brain_mask, manifest, labelling=found)


def labels_on_scan(labels: NDArray[np.uint8], trail: GeometryTrail) -> NDArray[np.uint8]:
    """A label map on the model's grid, (I, J, K), as one on the scan's, (X, Y, Z), by the inversion that scores take.

    Each class counts as a score of 1 where it is, so that a voxel takes the class with the largest share around it.
    """
    import torch

    from parcela_inference.native import to_scan

    torch.set_num_threads(settings().torch_threads)
    scores = torch.zeros((*labels.shape, CLASS_COUNT), dtype=torch.float16)
    scores.scatter_(-1, torch.from_numpy(labels).long()[..., None], 1.0)
    return to_scan(scores, trail)
