"""A scan's file as it is read: its header, parsed and checked, then its bytes, a chunk at a time in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from nibabel.nifti1 import Nifti1Header

from parcela.errors import BadScan
from parcela.imaging.header import anonymous, check_header, parse_header
from parcela.imaging.mgh import MGH_BEGINNING, MGH_BYTES, parse_mgh_header

TRAILING_BYTES = 1024**2  # tolerated after the last voxel: some writers pad
CHUNK = 1024**2  # bytes at a time; a multiple of every voxel size


@dataclass(frozen=True, eq=False)
class Reading:
    """One scan that is being read.

    Attributes:
        path: what messages call it.
        header: as it stands in the file, checked; of FreeSurfer's formats, the same as NIfTI.
        stream: the file's bytes, unpacked; at first it stands right behind the header.
        header_bytes: how many the header takes.
        start: the byte at which the voxels begin.
    """

    path: Path
    header: Nifti1Header
    stream: IO[bytes]
    header_bytes: int
    start: int

    @classmethod
    def of(
        cls, path: Path, file: BufferedReader[Any], *, max_voxels: int, max_bytes: int
    ) -> Reading:
        """Read and check the header of a file, packed or not, whatever its name says.

        Args:
            path: what messages call it.
            file: stands at its first byte.
            max_voxels: the most voxels the header may claim.
            max_bytes: the most bytes the file may unpack to.

        Raises:
            BadScan: it is neither NIfTI nor FreeSurfer's, or not one three-dimensional image with a usable grid. As
                ``unpacking`` converts.
        """
        packed = file.peek(2)[:2] == b"\x1f\x8b"
        unpacked = gzip.GzipFile(fileobj=file) if packed else file
        stream = cast(IO[bytes], unpacked)
        if unpacked.peek(4)[:4] == MGH_BEGINNING:
            header = parse_mgh_header(path, stream)
            check_header(path, header, max_voxels, max_bytes)
            return cls(path, header, stream, MGH_BYTES, MGH_BYTES)
        header = parse_header(path, stream)
        check_header(path, header, max_voxels, max_bytes)
        start = int(header["vox_offset"]) or header.single_vox_offset
        return cls(path, header, stream, header.sizeof_hdr, start)

    def rewind(self) -> None:
        """Go back to right behind the header."""
        self.stream.seek(self.header_bytes)

    def voxels(self) -> Iterator[bytes]:
        """The stored voxels in file order, a chunk at a time. Raises BadScan: there are fewer than the header says."""
        gap = self.start - self.header_bytes
        if self._skip(gap) < gap:
            raise BadScan(
                f"{self.path}: the file ends before its voxels begin: it is truncated; copy or export it again"
            )
        count = int(np.prod(self.header["dim"][1:4], dtype=np.int64))
        wanted = count * self.header.get_data_dtype().itemsize
        for start in range(0, wanted, CHUNK):
            size = min(CHUNK, wanted - start)
            chunk = self.stream.read(size)
            if len(chunk) < size:
                share = (start + len(chunk)) / wanted
                raise BadScan(
                    f"{self.path}: truncated: holds {share:.0%} of the voxels its header promises; copy it again"
                )
            yield chunk

    def finish(self) -> None:
        """Read what follows the voxels, so that a gzip checksum is verified. Raises BadScan: it is far too much."""
        if self._skip(TRAILING_BYTES + 1) > TRAILING_BYTES:
            raise BadScan(
                f"{self.path}: holds far more data than its header says (a gzip bomb, or a wrong header): "
                "export it again"
            )

    def anonymous(self) -> Iterator[bytes]:
        """The file as NIfTI without what may name a person: no text, no extensions, nothing behind the voxels.

        Raises:
            BadScan: it ends too early, or holds far more than its header says.
        """
        yield bytes(anonymous(self.header).binaryblock) + bytes(4)  # no extensions follow
        yield from self.voxels()
        self.finish()

    def _skip(self, count: int) -> int:
        """Read over ``count`` bytes without holding them; returns how many there were."""
        left = count
        while left > 0 and (chunk := self.stream.read(min(CHUNK, left))):
            left -= len(chunk)
        return count - left


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """A block that reads a file. Raises BadScan: its gzip stream is damaged."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadScan(
            f"{path}: the gzip stream is damaged ({error}): copy or export the file again"
        ) from error
