"""``parcela preprocess``."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import nibabel as nib

from parcela.files import atomic_file, write_text
from parcela.imaging.label_map import write_mask
from parcela.imaging.volume import read_volume
from parcela.settings import settings
from parcela_cli.batch import run_batch
from parcela_cli.destination import check_folder, writing
from parcela_cli.progress import Progress, warn

if TYPE_CHECKING:
    from parcela_preprocess.preprocess import Preprocessed


def preprocess_all(scans: Sequence[Path], out: Path, preset: str, skull_strip: str) -> int:
    """Preprocess each scan into ``out``; one line on stdout for each. Returns the exit code."""
    check_folder(out)
    return run_batch(scans, lambda scan, name: _one(scan, name, out, preset, skull_strip))


def _one(scan: Path, name: str, out: Path, preset: str, skull_strip: str) -> None:
    limits = settings()
    volume = read_volume(scan, max_voxels=limits.max_voxels, max_bytes=limits.max_bytes)
    from parcela_preprocess.preprocess import preprocess

    with Progress(str(scan)) as progress:
        done = preprocess(
            volume,
            preset=cast(Literal["thesis", "modern"], preset),
            skull_strip=cast(Literal["robex", "deepbet"], skull_strip),
            on_step=progress.step,
        )
        image = out / f"{name}_desc-preproc_T1w.nii.gz"
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
            _write_image(image, done)
            write_mask(out / f"{name}_desc-brain_mask.nii.gz", done.brain_mask, volume.geometry)
            write_text(out / f"{name}_trail.json", done.trail.to_json())
    for warning in (*volume.warnings, *done.warnings):
        warn(warning)
    print(
        f"{image}\t{'×'.join(map(str, done.image.shape))}\t{sum(done.seconds.values()):.1f} s",
        flush=True,
    )


def _write_image(path: Path, done: Preprocessed) -> None:
    """The image on the model's grid, placed in the scan's world, so that it overlays the scan."""
    image = nib.Nifti1Image(done.image, done.trail.model_affine)
    image.header.set_xyzt_units("mm")
    with (
        atomic_file(path) as stream,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0) as packed,
    ):
        packed.write(image.to_bytes())
