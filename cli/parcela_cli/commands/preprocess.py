"""``parcela preprocess``: scans on the networks' grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parcela.options import Preset, SkullStrip
from parcela.processes.surroundings import check_memory_limit
from parcela.settings import change_settings
from parcela_cli.arguments import Force, OutFolder, Scans, SkullStripOption, Threads

if TYPE_CHECKING:
    from parcela.imaging.preprocessed import Preprocessed
    from parcela_cli.bundles import NamedScan
    from parcela_cli.progress import Progress, Result

IMAGE, MASK, TRAIL = "desc-preproc_T1w.nii.gz", "desc-brain_mask.nii.gz", "trail.json"
MANIFEST = "desc-preproc_manifest.json"  # beside a bundle's own, so that both fit into one folder


def preprocess(
    scans: Scans,
    out: OutFolder = Path("parcela-out"),
    preset: Annotated[
        Preset,
        typer.Option(help="modern: as prediction does it. thesis: the published table, exactly."),
    ] = "modern",
    skull_strip: SkullStripOption = "auto",
    threads: Threads = None,
    force: Force = False,
) -> None:
    """Bring scans to the networks' grid: the image, the brain mask on the scan's grid, and the way back as JSON.

    What is already complete for the same bytes and options is not computed again, as ``parcela predict`` has it.
    """
    change_settings(torch_threads=threads)
    check_memory_limit()
    from parcela_cli.bundles import bundle_each
    from parcela_cli.destination import check_folder

    check_folder(out)
    engine = _Preprocessing(preset, skull_strip)
    raise typer.Exit(bundle_each(scans, out, engine, force=force, manifest=MANIFEST))


@dataclass(frozen=True)
class _Preprocessing:
    """The nine steps, on this machine."""

    preset: Preset
    skull_strip: SkullStrip

    def parameters(self) -> dict[str, Any]:
        """As the manifest records them."""
        return {"preset": self.preset, "skull_strip": self.skull_strip}

    def weights(self) -> dict[str, str | None]:
        """No network has a part in it."""
        return {}

    def files(self) -> Iterable[str]:
        """Image, mask and the way back, and what tells of them."""
        return (IMAGE, MASK, TRAIL, MANIFEST)

    def make(self, scan: NamedScan, out: Path, progress: Progress) -> Result:
        """Preprocess one scan and write what came of it, the manifest last."""
        from parcela_cli.progress import Result
        from parcela_preprocess.preprocess import preprocess as bring_to_grid

        done = bring_to_grid(
            scan.volume, preset=self.preset, skull_strip=self.skull_strip, on_step=progress.step
        )
        image = self._write(scan, done, out)
        shape, seconds = "×".join(map(str, done.image.shape)), sum(done.record.seconds.values())
        warnings = (*scan.volume.warnings, *done.record.warnings)
        return Result((str(image), shape, f"{seconds:.1f} s"), warnings)

    def _write(self, scan: NamedScan, done: Preprocessed, out: Path) -> Path:
        """Write the files, and return the image's path."""
        from parcela.bundle.manifest import InputRecord, Manifest, software_versions
        from parcela.bundle.prediction import LIBRARIES
        from parcela.bundle.write import prefixed
        from parcela.files import sha256_of, write_text
        from parcela.imaging.label_map import write_mask
        from parcela_cli.destination import writing

        image, mask, trail, manifest = (out / prefixed(file, scan.name) for file in self.files())
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
            manifest.unlink(missing_ok=True)
            _write_image(image, done)
            write_mask(mask, done.brain_mask, scan.volume.geometry)
            write_text(trail, done.trail.to_json())
            made = Manifest(
                task="preprocess",
                software=software_versions(LIBRARIES),
                parameters=self.parameters(),
                seconds=done.record.seconds,
                warnings=(*scan.volume.warnings, *done.record.warnings),
                input=InputRecord.of(scan.volume.sha256, scan.volume.geometry),
                files={IMAGE: sha256_of(image), MASK: sha256_of(mask), TRAIL: sha256_of(trail)},
            )
            write_text(manifest, made.to_json())
        return image


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
