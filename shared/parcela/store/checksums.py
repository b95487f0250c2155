"""SHA-256 of the files that lie in one folder of the store, in a file beside them, as ``sha256sum --check`` reads it.

Whoever writes the files writes their hashes first; whoever reads one compares. So a bit that flipped on a disk, or on
the way, is an error with a name and not a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO

from parcela.errors import StepFailed
from parcela.files import sha256_of
from parcela.store.store import CHUNK, NotStored, Store, read

SUMS = "SHA256SUMS"


class DamagedFile(StepFailed):
    """A file is not what was written: its bytes have changed, or it is gone."""

    slug = "damaged-file"


def hashes_in(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder on this disk, by name."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def sums(hashes: Mapping[str, str]) -> bytes:
    """What ``SHA256SUMS`` holds: a line for each file."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in hashes.items()).encode()


def read_sums(store: Store, prefix: str) -> dict[str, str]:
    """SHA-256 by name of the files below a prefix; none where a release that wrote none has left them."""
    try:
        lines = read(store, f"{prefix}{SUMS}").decode(errors="replace").splitlines()
    except NotStored:
        return {}
    return {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}


def check_names(names: Collection[str], hashes: Mapping[str, str]) -> None:
    """Raise DamagedFile unless there is a hash for each file and a file for each hash; without hashes, never."""
    if hashes and (odd := {*names} ^ hashes.keys()):
        raise damaged(min(odd))


def check_bytes(stream: BinaryIO, sha256: str | None, name: str) -> None:
    """Read a file to its end; raise DamagedFile where it has another SHA-256. None: it has none to compare with."""
    digest = hashlib.sha256()
    while sha256 and (chunk := stream.read(CHUNK)):
        digest.update(chunk)
    if sha256 and digest.hexdigest() != sha256:
        raise damaged(name)


def damaged(name: str) -> DamagedFile:
    """The error of a file that is not what was written."""
    return DamagedFile(
        f"the stored {name} is damaged: it is not what was written (SHA-256): submit the scan again"
    )
