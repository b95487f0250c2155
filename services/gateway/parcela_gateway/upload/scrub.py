"""A received scan as it is kept: its header checked, what may name a person erased, packed anew. Never held whole.

The geometry fields, and all others that are no text, pass byte for byte: results are made on this copy's grid.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from parcela.dicom.archive import ZIP_BEGINNINGS
from parcela.dicom.conversion import converted, converter
from parcela.errors import Unavailable
from parcela.imaging.reading import CHUNK, Reading, unpacking
from parcela.settings import Settings

SCAN = Path("the scan")  # what messages call it: its real name is not known here
LEVEL = 1  # of compression: the workers read it once
CONVERSIONS = threading.BoundedSemaphore(2)  # DICOM series at a time; more wait
GZIP = 16 + zlib.MAX_WBITS  # zlib then writes gzip's header: no name, no time


def scrubbed(received: io.BufferedReader[Any], max_voxels: int, max_bytes: int) -> Iterator[bytes]:
    """The file to keep (gzip), while ``received`` is read to its end.

    Args:
        received: a NIfTI file, packed or not, version 1 or 2, either byte order.
        max_voxels: the most voxels its header may claim.
        max_bytes: the most bytes it may unpack to.

    Raises:
        BadScan: it is damaged, or not one three-dimensional image; whatever came before then counts for nothing.
    """
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    with unpacking(SCAN):
        reading = Reading.of(SCAN, received, max_voxels=max_voxels, max_bytes=max_bytes)
        for part in reading.anonymous():
            if packed := packer.compress(part):
                yield packed
    yield packer.flush()


@contextmanager
def nifti_of(
    received: io.BufferedReader[Any], settings: Settings
) -> Iterator[tuple[io.BufferedReader[Any], Mapping[str, str]]]:
    """The file itself; of a DICOM series' zip what it is converted to, its own bytes in no file that has a name.

    The version of the program that converted it stands beside it.

    Raises:
        BadScan: it is no series of one MR volume. LimitExceeded: its conversion took too much. Unavailable: this server
            takes no DICOM, or has no room for it.
    """
    if not received.peek(4).startswith(ZIP_BEGINNINGS):
        yield received, {}
        return
    with tempfile.TemporaryFile() as archive:
        try:
            shutil.copyfileobj(received, archive, CHUNK)
            archive.seek(0)
        except OSError as error:
            raise Unavailable(
                f"this server has no room to unpack a DICOM series ({error.strerror}): try later, or send NIfTI"
            ) from error
        with CONVERSIONS, converted(archive, SCAN, settings) as nifti:
            yield nifti, converter()


class Flow(io.RawIOBase):
    """Pieces of bytes as a stream to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer wholly, so that the first two bytes never come apart; less only at the end."""
        filled = 0
        while filled < len(buffer):
            if not self._left:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._left = memoryview(piece)
            count = min(len(buffer) - filled, len(self._left))
            buffer[filled : filled + count] = self._left[:count]
            self._left = self._left[count:]
            filled += count
        return filled


def stream_of(pieces: Iterator[bytes]) -> BinaryIO:
    """The pieces of a file as a buffered stream."""
    return cast(BinaryIO, io.BufferedReader(Flow(pieces), CHUNK))
