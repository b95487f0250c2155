"""Files compared with their hashes before a byte of them goes out, and after the first time by blocks.

Whoever fetches a file in ranges would have it hashed from end to end for each of them. So the first comparison keeps a
hash of every block; later ones read the blocks that are asked for, and no others. A byte that changes on the disk after
the first comparison is found as before.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from parcela.store.checksums import damaged
from parcela.store.store import CHUNK, Store
from parcela_gateway.download.archive import Member

FILES = 256  # whose blocks are remembered; the one longest unused goes
Version = tuple[str, int, str, str]


@dataclass(eq=False)
class Blocks:
    """SHA-256 of the blocks, of ``CHUNK`` bytes, of files that were found to be what they should."""

    _known: OrderedDict[Version, tuple[bytes, ...]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, store: Store, member: Member, start: int, length: int) -> None:
        """Compare ``length`` bytes of a file from ``start`` on with what its stage wrote, or all of it at first.

        Raises:
            DamagedFile: they differ. A file of an older release, without a hash, is taken as it is.
        """
        if member.sha256 is None or not length:
            return
        stored = member.stored
        version = (stored.key, stored.size, stored.etag, member.sha256)
        expected = self._of(version)
        if expected is None:
            self._remember(version, _all_blocks(store, member))
            return
        first, past = start // CHUNK, -(-(start + length) // CHUNK)
        span = min(past * CHUNK, stored.size) - first * CHUNK
        with store.open(stored.key, first * CHUNK, span) as file:
            for block in expected[first:past]:
                if hashlib.sha256(file.read(CHUNK)).digest() != block:
                    raise damaged(member.name)

    def _of(self, version: Version) -> tuple[bytes, ...] | None:
        with self._lock:
            if version in self._known:
                self._known.move_to_end(version)
            return self._known.get(version)

    def _remember(self, version: Version, blocks: tuple[bytes, ...]) -> None:
        with self._lock:
            self._known[version] = blocks
            while len(self._known) > FILES:
                self._known.popitem(last=False)


def _all_blocks(store: Store, member: Member) -> tuple[bytes, ...]:
    """Hashes of a whole file's blocks; raises DamagedFile unless its own is right."""
    whole, blocks = hashlib.sha256(), []
    with store.open(member.stored.key) as file:
        while block := file.read(CHUNK):
            whole.update(block)
            blocks.append(hashlib.sha256(block).digest())
    if whole.hexdigest() != member.sha256:
        raise damaged(member.name)
    return tuple(blocks)
