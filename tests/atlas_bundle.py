"""A small scan and the bundle of its map, made from Colin27 and its atlas: every third voxel of each."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from parcela.atlas.colin27 import colin27
from parcela.bundle.manifest import Manifest, software_versions
from parcela.bundle.prediction import Prediction
from parcela.imaging.volume import read_volume
from parcela.quality.verdict import Quality

STEP = 3
NUMBERS = {"brain_ml": 1355.0, "tilt_degrees": 14.0, "sides_right": None}
REASON = "the grid is tilted: compare the picture with the scan"


@dataclass(frozen=True, eq=False)
class SmallScan:
    """A scan as a file, its label map as voxels and affine, and the bundle by fixed names."""

    scan: bytes
    labels: NDArray[np.uint8]
    affine: NDArray[np.float64]
    bundle: dict[str, bytes]

    def region_at(self, mm: tuple[float, float, float]) -> int:
        """The id at a place in world mm, by nibabel's reading of the file."""
        index = np.linalg.inv(self.affine) @ [*mm, 1]
        return int(self.labels[tuple(np.rint(index[:3]).astype(int))])


@cache
def small_scan() -> SmallScan:
    """The scan, stored with its first axis from right to left, so that a viewer that ignores the affine is wrong."""
    atlas = colin27()
    affine = atlas.affine @ np.diag([-STEP, STEP, STEP, 1])
    affine[:3, 3] = (atlas.affine @ [atlas.labels.shape[0] - 1, 0, 0, 1])[:3]
    brain = np.ascontiguousarray(atlas.brain[::-STEP, ::STEP, ::STEP])
    labels = np.ascontiguousarray(atlas.labels[::-STEP, ::STEP, ::STEP])
    other = np.where(labels == 1, 2, labels).astype(np.uint8)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "scan.nii.gz"
        nib.save(nib.Nifti1Image(brain.astype(np.int16), affine), file)
        made = Manifest(
            task="predict",
            software=software_versions(),
            parameters={"model": "both", "ways": {"unet": "plausible classes"}},
            weights={"unet": "ab" * 32},
            seconds={"skull-strip": 60.0, "predict": 5.0},
            quality=Quality(verdict="look", reasons=(REASON,), numbers=NUMBERS),
        )
        prediction = Prediction(
            read_volume(file),
            labels,
            (labels > 0).astype(np.uint8),
            made,
            {"unet": labels, "highresnet": other},
        )
        prediction.save(Path(folder) / "out", prefix=False)
        bundle = {path.name: path.read_bytes() for path in (Path(folder) / "out").iterdir()}
        return SmallScan(
            gzip.compress(gzip.decompress(file.read_bytes()), 1, mtime=0), labels, affine, bundle
        )
