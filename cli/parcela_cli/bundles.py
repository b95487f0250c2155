"""A bundle for each scan, whatever makes it: the one loop of ``parcela predict`` and ``parcela label``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from parcela.bundle.manifest import Manifest
from parcela.bundle.write import FIXED_NAMES, prefixed
from parcela.dicom.conversion import read_scan
from parcela.errors import BadRequest
from parcela.files import sha256_of
from parcela.imaging.volume import Volume
from parcela.record import BadRecord
from parcela_cli.batch import Batch
from parcela_cli.destination import check_name_lengths, names_one_file
from parcela_cli.progress import Progress, Result

MANIFEST = FIXED_NAMES["manifest"]


@dataclass(frozen=True, eq=False)
class NamedScan:
    """One scan of a command: its file, the name of its results, and its volume."""

    path: Path
    name: str
    volume: Volume


class Engine(Protocol):
    """What makes bundles: the networks or the registration of this machine, or a server."""

    def parameters(self) -> dict[str, Any]:
        """Every setting that changes the result, as its manifests record them."""
        ...

    def weights(self) -> dict[str, str | None]:
        """SHA-256 of the weights in use, by network."""
        ...

    def files(self) -> Iterable[str]:
        """The fixed names of the files that it makes, the main one first, before it has made them."""
        ...

    def make(self, scan: NamedScan, out: Path, progress: Progress) -> Result:
        """Make the bundle of one scan in ``out``, or the label map alone where ``out`` names one.

        Args:
            scan: which; its name begins the files' names.
            out: where to.
            progress: is told of each step as it begins.
        """
        ...


def bundle_each(
    scans: Sequence[Path],
    out: Path,
    engine: Engine,
    *,
    force: bool,
    manifest: str = MANIFEST,
    finish: Callable[[Path, Path], None] | None = None,
) -> int:
    """Have the engine make each scan's bundle, unless that was done before. Returns the exit code.

    Args:
        scans: their files.
        out: where to.
        engine: what makes them.
        force: make also what is there already.
        manifest: the fixed name of the file that tells how a bundle was made, and of what.
        finish: is called with each scan and its main file, whether that was made now or before.
    """
    batch = Batch(scans)
    for scan, name in batch:
        with batch.reporting(scan):
            result = bundle(scan, name, out, engine, force=force, manifest=manifest)
            if finish is not None:
                finish(scan, Path(result.cells[0]))
            result.print()
    return batch.exit_code


def bundle(
    scan: Path, name: str, out: Path, engine: Engine, *, force: bool, manifest: str = MANIFEST
) -> Result:
    """Have the engine make one scan's bundle, unless that was done before.

    Raises:
        BadRequest: another scan's bundle of the same name lies there, or a name is too long. BadScan, StepFailed,
            Unavailable: see ``parcela.errors``.
    """
    volume = read_scan(scan)
    files = [prefixed(file, name) for file in engine.files()]
    check_name_lengths(out, files)
    if not force:
        check_owner(out, name, volume, manifest)
        if already_done(out, name, volume, engine, manifest):
            return Result((str(out / files[0]), "already done"))
    with Progress(str(scan)) as progress:
        return engine.make(NamedScan(scan, name, volume), out, progress)


def check_owner(out: Path, name: str, volume: Volume, manifest: str = MANIFEST) -> None:
    """Refuse to overwrite the bundle that another scan of this name has in ``out``.

    Raises:
        BadRequest: its manifest tells of other bytes.
    """
    made = _manifest(out, name, manifest)
    if made is not None and made.input is not None and made.input.sha256 != volume.sha256:
        raise BadRequest(
            f"{out / prefixed(manifest, name)} is that of another scan of the same name: give another folder, "
            "or --force to overwrite what is there"
        )


def already_done(
    out: Path, name: str, volume: Volume, engine: Engine, manifest: str = MANIFEST
) -> bool:
    """Whether ``out`` holds a complete bundle of these bytes, made with the engine's parameters and weights."""
    made = _manifest(out, name, manifest)
    parameters = engine.parameters()
    return (
        made is not None
        and made.input is not None
        and made.input.sha256 == volume.sha256
        and {key: made.parameters.get(key) for key in parameters} == parameters
        and dict(made.weights) == engine.weights()
        and all(_intact(out / prefixed(file, name), sha256) for file, sha256 in made.files.items())
    )


def _manifest(out: Path, name: str, fixed_name: str) -> Manifest | None:
    """What tells of the bundle there; None where there is none, or it is not one of ours."""
    if names_one_file(out):
        return None
    try:
        return Manifest.from_json((out / prefixed(fixed_name, name)).read_bytes())
    except (OSError, BadRecord):
        return None


def _intact(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256
