"""A received scan as it is kept: its header checked, what may name a person erased, packed anew. Never held whole.

The geometry fields, and all others that are no text, pass byte for byte: results are made on this copy's grid.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from nibabel.nifti1 import Nifti1Header

from parcela.imaging.reading import CHUNK, Reading, unpacking

SCAN = Path("the scan")  # what messages call it: its real name is not known here
LEVEL = 1  # of compression: the workers read it once
GZIP = 16 + zlib.MAX_WBITS  # zlib then writes gzip's header: no name, no time
# Fields of free text, NIfTI-1's and -2's; ANALYZE's leftovers among them.
IDENTIFYING = ("data_type", "db_name", "descrip", "aux_file", "intent_name", "unused_str")
# Numbers that no stage reads, in whose bytes a text may be kept.
USELESS = (
    *("intent_p1", "intent_p2", "intent_p3", "intent_code", "extents", "session_error"),
    *("glmax", "glmin", "cal_max", "cal_min", "toffset"),
    *("slice_duration", "slice_start", "slice_end", "slice_code"),
)


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
        for part in _nifti(reading):
            if packed := packer.compress(part):
                yield packed
    yield packer.flush()


def _nifti(reading: Reading) -> Iterator[bytes]:
    """Header, the mark that no extensions follow, voxels; what else there is, is dropped."""
    yield bytes(anonymous(reading.header).binaryblock) + bytes(4)
    yield from reading.voxels()
    reading.finish()


def anonymous(header: Nifti1Header) -> Nifti1Header:
    """A copy without text and without numbers that nobody reads, whose voxels begin right behind it."""
    clean: Nifti1Header = header.copy()
    for field in IDENTIFYING:
        if field in clean.keys():  # noqa: SIM118 - `in` asks a header for something else
            clean[field] = b""
    for field in USELESS:
        if field in clean.keys():  # noqa: SIM118
            clean[field] = 0
    clean["vox_offset"] = clean.single_vox_offset
    return clean


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
