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

from nibabel.nifti1 import Nifti1Header

from parcela.errors import BadScan
from parcela.imaging.header import anonymous, check_header, parse_header, voxel_bytes
from parcela.imaging.mgh import MGH_BEGINNING, MGH_BYTES, parse_mgh_header

TRAILING_BYTES = 1024**2  # tolerated after the last voxel: some writers pad
# Bytes of a gzip file that unpack to nothing: a name, members' heads, padding
PACKED_OVERHEAD = 256 * 1024
CHUNK = 1024**2  # bytes at a time; a multiple of every voxel size


class PackedFile:
    """A gzip file of which no more is read than what comes out of it accounts for.

    Names, empty members and padding cost a reader much time a byte, and unpack to nothing. Whoever reads grants, by
    ``expect``, what it asks for; deflate makes nothing longer by more than a 64th.
    """

    def __init__(self, path: Path, file: BufferedReader[Any]) -> None:
        self._path, self._file = path, file
        self._left = PACKED_OVERHEAD

    def expect(self, count: int) -> None:
        """So many bytes are about to be unpacked."""
        self._left += count + count // 64

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises BadScan: far more was read than has come out."""
        packed = self._file.read(size)
        self._left -= len(packed)
        if self._left < 0:
            raise far_too_much(self._path)
        return packed

    def seek(self, place: int, whence: int = 0) -> int:
        """Go back to the beginning, as `gzip` does to read again."""
        self._left = PACKED_OVERHEAD + self._file.tell()
        return self._file.seek(place, whence)


def far_too_much(path: Path) -> BadScan:
    return BadScan(
        f"{path}: holds far more data than its header says (a gzip bomb, or a wrong header): export it again"
    )


@dataclass(frozen=True, eq=False)
class Reading:
    """One scan that is being read.

    Attributes:
        path: what messages call it.
        header: as it stands in the file, checked; of FreeSurfer's formats, the same as NIfTI.
        stream: the file's bytes, unpacked; at first it stands right behind the header.
        header_bytes: how many the header takes.
        start: the byte at which the voxels begin.
        packed: the file below the stream, where it is packed.
    """

    path: Path
    header: Nifti1Header
    stream: IO[bytes]
    header_bytes: int
    start: int
    packed: PackedFile | None = None

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
        packed = PackedFile(path, file) if file.peek(2)[:2] == b"\x1f\x8b" else None
        unpacked = gzip.GzipFile(fileobj=cast(Any, packed), mode="rb") if packed else file
        stream = cast(IO[bytes], unpacked)
        if unpacked.peek(4)[:4] == MGH_BEGINNING:
            header = parse_mgh_header(path, stream)
            check_header(path, header, max_voxels, max_bytes)
            return cls(path, header, stream, MGH_BYTES, MGH_BYTES, packed)
        header = parse_header(path, stream)
        check_header(path, header, max_voxels, max_bytes)
        start = int(header["vox_offset"]) or header.single_vox_offset
        return cls(path, header, stream, header.sizeof_hdr, start, packed)

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
        wanted = voxel_bytes(self.header)
        for start in range(0, wanted, CHUNK):
            size = min(CHUNK, wanted - start)
            chunk = self._read(size)
            if len(chunk) < size:
                share = (start + len(chunk)) / wanted
                raise BadScan(
                    f"{self.path}: truncated: holds {share:.0%} of the voxels its header promises; copy it again"
                )
            yield chunk

    def finish(self) -> None:
        """Read what follows the voxels, so that a gzip checksum is verified. Raises BadScan: it is far too much."""
        if self._skip(TRAILING_BYTES + 1) > TRAILING_BYTES:
            raise far_too_much(self.path)

    def anonymous(self) -> Iterator[bytes]:
        """The file as NIfTI without what may name a person: no text, no extensions, nothing behind the voxels.

        Raises:
            BadScan: it ends too early, or holds far more than its header says.
        """
        yield bytes(anonymous(self.header).binaryblock) + bytes(4)  # no extensions follow
        yield from self.voxels()
        self.finish()

    def _read(self, size: int) -> bytes:
        if self.packed is not None:
            self.packed.expect(size)
        return self.stream.read(size)

    def _skip(self, count: int) -> int:
        """Read over ``count`` bytes without holding them; returns how many there were."""
        left = count
        while left > 0 and (chunk := self._read(min(CHUNK, left))):
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
