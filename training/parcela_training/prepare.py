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
from typing import cast

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from parcela.volume import Volume, read_volume
from parcela_inference.networks import MODEL_SHAPE
from parcela_labelling.opening import open_labels
from parcela_preprocess.preprocess import Preprocessed, preprocess
from parcela_training.cohort import Subject, read_cohort
from parcela_training.prepare_files import Prepared

AFFINE_TOLERANCE_MM = 1e-3


def prepare_subject(subject: Subject) -> Prepared:
    """The ``modern`` chain on one scan, brought onto its bronze label's grid; the label opened."""
    scan = read_volume(subject.scan)
    done = preprocess(scan, preset="modern", mask=_brain_mask(subject, scan))
    label = cast(nib.Nifti1Image, nib.load(subject.bronze_label))
    affine = np.asarray(label.affine, dtype=np.float64)
    opened = open_labels(np.asarray(label.dataobj).astype(np.uint8), "modern")
    return Prepared(_onto_grid(done, affine).astype(np.float16), opened, affine)


def _brain_mask(subject: Subject, scan: Volume) -> NDArray[np.uint8]:
    """The cohort's ROBEX mask of a whole head; a stripped scan is its own mask."""
    masked = read_volume(subject.brain_mask) if subject.brain_mask.exists() else scan
    return (masked.data > 0).astype(np.uint8)


def _onto_grid(done: Preprocessed, affine: NDArray[np.float64]) -> NDArray[np.float32]:
    """Resample only where the two grids differ: another N4 can move the crop by a voxel."""
    own = np.asarray(done.trail.model_affine, dtype=np.float64)
    if np.abs(own - affine).max() <= AFFINE_TOLERANCE_MM:
        return done.image
    step = np.linalg.inv(own) @ affine
    moved = ndimage.affine_transform(done.image, step[:3, :3], step[:3, 3], MODEL_SHAPE, order=1)
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
