"""A received scan as it is kept: its header checked, what may name a person erased, packed anew. Never held whole.

The geometry fields, and all others that are no text, pass byte for byte: results are made on this copy's grid.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
from nibabel.nifti1 import Nifti1Header

from parcela.errors import BadScan
from parcela.imaging.header import check_header, parse_header
from parcela.imaging.volume import TRAILING_BYTES

SCAN = Path("the scan")  # what messages call it: its real name is not known here
CHUNK = 1024**2  # bytes at a time
LEVEL = 1  # of compression: the workers read it once
GZIP = 16 + zlib.MAX_WBITS  # zlib then writes gzip's header: no name, no time
# Fields of free text, NIfTI-1's and -2's; ANALYZE's leftovers among them.
IDENTIFYING = ("data_type", "db_name", "descrip", "aux_file", "intent_name", "unused_str")


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
    try:
        for part in _nifti(_unpacked(received), max_voxels, max_bytes):
            if packed := packer.compress(part):
                yield packed
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadScan(
            f"{SCAN}: the gzip stream is damaged ({error}): copy or export the file again"
        ) from error
    yield packer.flush()


def _unpacked(received: io.BufferedReader[Any]) -> IO[bytes]:
    if received.peek(2)[:2] != b"\x1f\x8b":
        return received
    return cast(IO[bytes], gzip.GzipFile(fileobj=received))


def _nifti(stream: IO[bytes], max_voxels: int, max_bytes: int) -> Iterator[bytes]:
    """Header, the mark that no extensions follow, voxels; what else there is, is dropped."""
    header = parse_header(SCAN, stream)
    check_header(SCAN, header, max_voxels, max_bytes)
    yield bytes(anonymous(header).binaryblock) + bytes(4)
    gap = (int(header["vox_offset"]) or header.single_vox_offset) - header.sizeof_hdr
    if sum(len(part) for part in _parts(stream, gap)) < gap:
        raise BadScan(f"{SCAN}: the file ends before its voxels begin: copy or export it again")
    yield from _voxels(stream, header)
    if sum(len(part) for part in _parts(stream, TRAILING_BYTES + 1)) > TRAILING_BYTES:
        raise BadScan(
            f"{SCAN}: holds far more data than its header says (a gzip bomb, or a wrong header): export it again"
        )


def anonymous(header: Nifti1Header) -> Nifti1Header:
    """A copy without text, whose voxels begin right behind it."""
    clean: Nifti1Header = header.copy()
    for field in IDENTIFYING:
        if field in clean.keys():  # noqa: SIM118 - `in` asks a header for something else
            clean[field] = b""
    clean["vox_offset"] = clean.single_vox_offset
    return clean


def _voxels(stream: IO[bytes], header: Nifti1Header) -> Iterator[bytes]:
    wanted = int(np.prod(header["dim"][1:4], dtype=np.int64)) * header.get_data_dtype().itemsize
    seen = 0
    for part in _parts(stream, wanted):
        seen += len(part)
        yield part
    if seen < wanted:
        raise BadScan(
            f"{SCAN}: truncated: holds {seen / wanted:.0%} of the voxels its header promises; copy it again"
        )


def _parts(stream: IO[bytes], count: int) -> Iterator[bytes]:
    """The next ``count`` bytes, or as many as there are."""
    while count > 0 and (part := stream.read(min(CHUNK, count))):
        count -= len(part)
        yield part


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
