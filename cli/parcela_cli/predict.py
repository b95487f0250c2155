"""``parcela predict``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from parcela.bundle import file_name, prefixed
from parcela.label_map import write_label_map
from parcela.manifest import Manifest
from parcela.settings import settings
from parcela.volume import Volume, read_volume
from parcela_cli.batch import run_batch
from parcela_cli.destination import check_destination, names_one_file, writing
from parcela_cli.pipeline import Options, Prediction, run
from parcela_cli.progress import Progress, warn


class Choices(Protocol):
    """What a manifest records of how a bundle was made, and what a repeated run is compared by."""

    def parameters(self) -> dict[str, Any]: ...

    def weights(self) -> dict[str, str | None]: ...


def predict_all(scans: Sequence[Path], out: Path, choices: dict[str, Any], *, force: bool) -> int:
    """Parcellate each scan into ``out``; one line on stdout for each. Returns the exit code."""
    options = Options(**choices)
    check_destination(scans, out)
    return run_batch(scans, lambda scan, name: predict_one(scan, name, out, options, force=force))


def predict_one(scan: Path, name: str, out: Path, options: Options, *, force: bool) -> None:
    """Read, check, parcellate and write one scan."""
    limits = settings()
    volume = read_volume(scan, max_voxels=limits.max_voxels, max_bytes=limits.max_bytes)
    if not force and already_done(out, name, volume, options):
        print(f"{out / file_name('dseg', name)}\talready done", flush=True)
        return
    with Progress(str(scan)) as progress:
        prediction = run(volume, options, progress.step)
        progress.step("write")
        path = write(prediction, out, name)
    for warning in prediction.warnings:
        warn(warning)
    print(summary(prediction, path), flush=True)


def write(prediction: Prediction, out: Path, name: str) -> Path:
    """The bundle into a folder, or the label map alone; returns the label map's path.

    Raises:
        StepFailed: the disk refused.
    """
    with writing(out):
        if not names_one_file(out):
            return prediction.save(out, name)["dseg"]
        out.parent.mkdir(parents=True, exist_ok=True)
        write_label_map(out, prediction.labels, prediction.scan.geometry)
    return out


def summary(prediction: Prediction, path: Path) -> str:
    """The result line: path, regions found, their volume, seconds; tab-separated."""
    millilitres = sum(row.volume_mm3 for row in prediction.table) / 1000
    seconds = sum(prediction.manifest.seconds.values())
    return f"{path}\t{prediction.regions_found}/116 regions\t{millilitres:.0f} ml\t{seconds:.1f} s"


def already_done(out: Path, name: str, volume: Volume, options: Choices) -> bool:
    """Whether ``out`` holds a complete bundle of these bytes made with these options and weights."""
    if names_one_file(out):
        return False
    try:
        made = Manifest.from_json((out / file_name("manifest", name)).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return False  # none there, or not one of ours
    asked = options.parameters()
    return (
        made.input is not None
        and made.input.sha256 == volume.sha256
        and {key: made.parameters.get(key) for key in asked} == asked
        and dict(made.weights) == options.weights()
        and all((out / prefixed(file, name)).is_file() for file in made.files)
    )
