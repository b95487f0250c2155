"""``parcela preprocess``: scans on the networks' grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parcela.options import Preset, SkullStrip
from parcela.processes.surroundings import check_memory_limit
from parcela.settings import change_settings
from parcela_cli.arguments import OutFolder, Scans, SkullStripOption, Threads

if TYPE_CHECKING:
    from parcela.imaging.preprocessed import Preprocessed
    from parcela.imaging.volume import Volume


def preprocess(
    scans: Scans,
    out: OutFolder = Path("parcela-out"),
    preset: Annotated[
        Preset,
        typer.Option(help="modern: as prediction does it. thesis: the published table, exactly."),
    ] = "modern",
    skull_strip: SkullStripOption = "robex",
    threads: Threads = None,
) -> None:
    """Bring scans to the networks' grid: the image, the brain mask on the scan's grid, and the way back as JSON."""
    change_settings(torch_threads=threads)
    check_memory_limit()
    from parcela.imaging.volume import read_volume
    from parcela_cli.batch import Batch
    from parcela_cli.destination import check_folder

    check_folder(out)
    batch = Batch(scans)
    for scan, name in batch:
        with batch.reporting(scan):
            volume = read_volume(scan)
            _preprocess(volume, scan, out / name, preset, skull_strip)
    raise typer.Exit(batch.exit_code)


def _preprocess(
    volume: Volume, scan: Path, start: Path, preset: Preset, skull_strip: SkullStrip
) -> None:
    """Preprocess one scan; the files' paths begin with ``start``."""
    from parcela.files import write_text
    from parcela.imaging.label_map import write_mask
    from parcela_cli.destination import writing
    from parcela_cli.progress import Progress, tell, warn
    from parcela_preprocess.preprocess import preprocess as bring_to_grid

    image = start.with_name(f"{start.name}_desc-preproc_T1w.nii.gz")
    mask = start.with_name(f"{start.name}_desc-brain_mask.nii.gz")
    with Progress(str(scan)) as progress:
        done = bring_to_grid(volume, preset=preset, skull_strip=skull_strip, on_step=progress.step)
        with writing(start.parent):
            start.parent.mkdir(parents=True, exist_ok=True)
            _write_image(image, done)
            write_mask(mask, done.brain_mask, volume.geometry)
            write_text(start.with_name(f"{start.name}_trail.json"), done.trail.to_json())
    for warning in (*volume.warnings, *done.record.warnings):
        warn(warning)
    shape, seconds = "×".join(map(str, done.image.shape)), sum(done.record.seconds.values())
    tell(str(image), shape, f"{seconds:.1f} s")


def _write_image(path: Path, done: Preprocessed) -> None:
    """The image on the model's grid, placed in the scan's world, so that it overlays the scan."""
    import gzip

    import nibabel as nib

    from parcela.files import atomic_file

    image = nib.Nifti1Image(done.image, done.trail.model.affine)
    image.header.set_xyzt_units("mm")
    with (
        atomic_file(path) as stream,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0) as packed,
    ):
        packed.write(image.to_bytes())
