"""What goes over the connection as a stream: a scan's bytes out, a file's bytes in."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx2

from parcela.dicom.archive import is_dicom
from parcela.dicom.conversion import packing
from parcela.errors import BadScan, StepFailed
from parcela.files import atomic_file
from parcela.imaging.volume import reading_file
from parcela.store.checksums import DamagedFile

GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1024**2


@contextmanager
def opened(scan: Path) -> Iterator[IO[bytes]]:
    """The bytes to send: the file's, or of a DICOM series its zip's."""
    if is_dicom(scan):
        with reading_file(scan), packing(scan) as archive:
            yield archive
        return
    try:
        file = scan.open("rb")
    except OSError as error:
        raise BadScan(
            f"{scan}: cannot be read ({error.strerror or error}): check the path"
        ) from error
    with file:
        yield file


def save_file(response: httpx2.Response, target: Path) -> Path:
    """A file's bytes under ``target``, whole or not at all; returns it.

    Raises:
        DamagedFile: its bytes have changed, in the store or on the way.
        StepFailed: it is not what its name says.
    """
    url = response.request.url
    with atomic_file(target) as stream:
        head, sha256 = pour(response, stream)
        if url.path.endswith(".gz") and head != GZIP_MAGIC:
            raise StepFailed(f"{url} is not a gzip file: nothing was kept")
        if sha256 != _told_sha256(response, sha256):
            raise DamagedFile(f"{url} came damaged (SHA-256): nothing was kept; fetch it again")
    return target


def pour(response: httpx2.Response, stream: Any) -> tuple[bytes, str]:
    """The body into a stream; returns its first two bytes and its SHA-256."""
    head, digest = b"", hashlib.sha256()
    for chunk in response.iter_raw(CHUNK):
        head = head or chunk[:2]
        digest.update(chunk)
        stream.write(chunk)
    return head, digest.hexdigest()


def _told_sha256(response: httpx2.Response, otherwise: str) -> str:
    """The SHA-256 that the server tells of a file (RFC 9530); an older server tells none."""
    told = re.search("sha-256=:([^:]+):", response.headers.get("repr-digest", ""))
    return b64decode(told.group(1)).hex() if told else otherwise
