"""Prepare the cohort once: every scan through the nine steps, beside its opened bronze label.

    python -m parcela_training.prepare --cohort DIR --out DIR

One compressed file a subject; what is there already is not made again.
"""

from __future__ import annotations

import os

os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import argparse
import random
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import ants
import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    CropForeground,
    HistogramNormalize,
    Orientation,
    Resize,
    ScaleIntensity,
    Spacing,
)
from numpy.typing import NDArray
from parcela_inference.networks import MODEL_SHAPE
from parcela_training.cohort import Subject, read_cohort
from parcela_training.opening import open_labels
from parcela_training.prepare_files import Prepared
from scipy import ndimage

AFFINE_TOLERANCE_MM = 1e-3


def prepare_subject(subject: Subject) -> Prepared:
    """The ``modern`` chain on one scan, brought onto its bronze label's grid; the label opened."""
    scan = nib.as_closest_canonical(nib.load(subject.scan))
    brain = _brain_mask(subject, scan)
    corrected = _correct_bias(np.asarray(scan.dataobj, dtype=np.float32) * brain, brain, scan)
    image = _to_model_grid(corrected, scan.affine)
    label = nib.load(subject.bronze_label)
    volume = _onto_grid(image, np.asarray(label.affine))
    opened = open_labels(np.asarray(label.dataobj).astype(np.uint8))
    return Prepared(volume.astype(np.float16), opened, np.asarray(label.affine))


def _brain_mask(subject: Subject, scan: nib.Nifti1Image) -> NDArray[np.bool_]:
    if not subject.brain_mask.exists():
        return np.asarray(scan.dataobj) > 0
    mask = nib.as_closest_canonical(nib.load(subject.brain_mask))
    return np.asarray(mask.dataobj) > 0


def _correct_bias(
    brain: NDArray[np.float32], mask: NDArray[np.bool_], scan: nib.Nifti1Image
) -> NDArray[np.float32]:
    spacing = [float(zoom) for zoom in scan.header.get_zooms()[:3]]
    image = ants.from_numpy(brain, spacing=spacing)
    within = ants.from_numpy(mask.astype(np.float32), spacing=spacing)
    corrected = ants.n4_bias_field_correction(image, mask=within, shrink_factor=4)
    return np.asarray(corrected.numpy(), dtype=np.float32) * mask


def _to_model_grid(brain: NDArray[np.float32], affine: NDArray[np.float64]) -> MetaTensor:
    steps = Compose(
        [
            Spacing(pixdim=(1.0, 1.0, 1.0)),
            Orientation(axcodes="RAS"),
            HistogramNormalize(),
            ScaleIntensity(),
            CropForeground(),
            Resize(spatial_size=MODEL_SHAPE),
        ]
    )
    out = steps(MetaTensor(torch.from_numpy(brain)[None], affine=torch.from_numpy(affine)))
    assert isinstance(out, MetaTensor)
    return out


def _onto_grid(image: MetaTensor, affine: NDArray[np.float64]) -> NDArray[np.float32]:
    """Resample only where the two grids differ: another N4 can move the crop by a voxel."""
    volume = np.asarray(image[0].numpy(), dtype=np.float32)
    own = np.asarray(image.affine.numpy(), dtype=np.float64)
    if np.abs(own - affine).max() <= AFFINE_TOLERANCE_MM:
        return volume
    step = np.linalg.inv(own) @ affine
    moved = ndimage.affine_transform(volume, step[:3, :3], step[:3, 3], MODEL_SHAPE, order=1)
    return np.asarray(moved, dtype=np.float32).clip(0.0, 1.0)


def _prepare_file(subject: Subject, out: Path) -> str:
    torch.set_num_threads(1)
    started = time.perf_counter()
    prepare_subject(subject).save(out / f"{subject.name}.npz")
    return f"{subject.name} {time.perf_counter() - started:.1f} s"


def prepare_cohort(cohort: Path, out: Path, processes: int) -> None:
    """Prepare every training and validation subject that has a bronze label."""
    out.mkdir(parents=True, exist_ok=True)
    subjects = [
        subject
        for split in ("train", "val")
        for subject in read_cohort(cohort, split)
        if subject.bronze_label.exists() and not (out / f"{subject.name}.npz").exists()
    ]
    shutil.copyfile(cohort / "participants.tsv", out / "subjects.tsv")
    random.Random(0).shuffle(subjects)
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(_prepare_file, subject, out) for subject in subjects]
        for done, job in enumerate(as_completed(jobs), start=1):
            print(f"{done}/{len(jobs)} {job.result()}", file=sys.stderr, flush=True)


def main() -> None:
    """Read the command line and prepare."""
    parser = argparse.ArgumentParser(prog="parcela_training.prepare", description=__doc__)
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    prepare_cohort(arguments.cohort, arguments.out, arguments.processes)


if __name__ == "__main__":
    main()
