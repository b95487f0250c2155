"""``parcela predict``, and what every command does that makes a bundle of each scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parcela.bundle.manifest import Manifest
from parcela.bundle.prediction import Prediction
from parcela.bundle.write import file_name, prefixed
from parcela.imaging.label_map import write_label_map
from parcela.imaging.volume import Volume, read_volume
from parcela.options import Choices, Options
from parcela.settings import settings
from parcela.stopwatch import OnStep
from parcela_cli.batch import run_batch
from parcela_cli.destination import check_destination, names_one_file, writing
from parcela_cli.pipeline import run
from parcela_cli.progress import Progress, warn

Work = Callable[[Volume, OnStep], Prediction]


def predict_all(scans: Sequence[Path], out: Path, choices: dict[str, Any], *, force: bool) -> int:
    """Parcellate each scan into ``out``; one line on stdout for each. Returns the exit code."""
    options = Options(**choices)
    return bundle_all(
        scans, out, options, lambda volume, on_step: run(volume, options, on_step), force=force
    )


def bundle_all(
    scans: Sequence[Path], out: Path, options: Choices, work: Work, *, force: bool
) -> int:
    """Have ``work`` make a prediction of each scan, and write it into ``out``. Returns the exit code."""
    check_destination(scans, out)
    return run_batch(
        scans, lambda scan, name: bundle_one(scan, name, out, options, work, force=force)
    )


def bundle_one(
    scan: Path, name: str, out: Path, options: Choices, work: Work, *, force: bool
) -> None:
    """Read, check, compute and write one scan, unless that was done before."""
    limits = settings()
    volume = read_volume(scan, max_voxels=limits.max_voxels, max_bytes=limits.max_bytes)
    if not force and already_done(out, name, volume, options):
        print(f"{out / file_name('dseg', name)}\talready done", flush=True)
        return
    with Progress(str(scan)) as progress:
        prediction = work(volume, progress.step)
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
    """The result line: path, regions found, their volume, seconds, and what else there is to say; tab-separated."""
    millilitres = sum(row.volume_mm3 for row in prediction.table) / 1000
    seconds = sum(prediction.manifest.seconds.values())
    found = f"{prediction.regions_found}/116 regions"
    return "\t".join(
        (str(path), found, f"{millilitres:.0f} ml", f"{seconds:.1f} s", *prediction.remarks)
    )


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
