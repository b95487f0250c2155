"""A job's bundle as it comes from the service, under the scan's own name on this disk."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from parcela.bundle.manifest import Manifest
from parcela.bundle.write import FIXED_NAMES, prefixed
from parcela.errors import StepFailed
from parcela.files import atomic_file
from parcela.record import BadRecord

MANIFEST = FIXED_NAMES["manifest"]
CHUNK = 1024**2


def unpack(
    fetch: Callable[[IO[bytes]], object], folder: Path, name: str | None = None
) -> dict[str, Path]:
    """Write a bundle into ``folder``: every file whole or not at all, the manifest last.

    Args:
        fetch: writes the archive's bytes to a stream.
        folder: where to; it is made if need be.
        name: the scan's name, to begin each file's name with.

    Returns:
        path of each file by its fixed name.

    Raises:
        StepFailed: the archive is damaged, or a file differs from the hash in the manifest.
        OSError: the folder or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as received:
        fetch(received)
        try:
            with zipfile.ZipFile(received) as archive:
                return _write(archive, folder, name)
        except (zipfile.BadZipFile, KeyError, ValueError, BadRecord) as error:
            raise StepFailed(f"the bundle received is damaged ({error}): fetch it again") from error


def _write(archive: zipfile.ZipFile, folder: Path, name: str | None) -> dict[str, Path]:
    members = {Path(info.filename).name: info for info in archive.infolist() if not info.is_dir()}
    manifest = Manifest.from_json(archive.read(members[MANIFEST]))
    paths = {fixed: folder / prefixed(fixed, name) for fixed in members}
    paths[MANIFEST].unlink(missing_ok=True)
    for fixed in sorted(members, key=lambda fixed: fixed == MANIFEST):
        with archive.open(members[fixed]) as source, atomic_file(paths[fixed]) as target:
            _copy(source, target, fixed, manifest.files.get(fixed))
    return paths


def _copy(source: IO[bytes], target: IO[bytes], fixed: str, sha256: str | None) -> None:
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        target.write(chunk)
    if sha256 is not None and digest.hexdigest() != sha256:
        raise ValueError(f"{fixed} differs from the hash in the manifest")
