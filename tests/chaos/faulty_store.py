"""A store that fails on demand: all processes of an installation read in one file what is wrong with it now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from parcela.store.open import open_store
from parcela.store.store import Store, Stored, StoreUnavailable

Mood = Literal["well", "failing", "slow", "full"]
MOODS = "CHAOS_STORE_MOOD"  # the variable that names the file
SLOW_S = 0.5


class FaultyStore:
    """A real store behind faults: it refuses everything, or what is written, or takes its time.

    Args:
        store: the real one.
        mood: the file that says which; none, or none readable: it is well.
    """

    def __init__(self, store: Store, mood: Path) -> None:
        self._store, self._mood = store, mood

    def put(self, key: str, source: BinaryIO | bytes) -> Stored:
        self._suffer(writes=True)
        return self._store.put(key, source)

    def create(self, key: str, content: bytes) -> bool:
        self._suffer(writes=True)
        return self._store.create(key, content)

    @contextmanager
    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        self._suffer()
        with self._store.open(key, start, length) as file:
            yield file

    def stat(self, key: str) -> Stored | None:
        self._suffer()
        return self._store.stat(key)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        self._suffer()
        yield from self._store.list(prefix)

    def free_bytes(self) -> int | None:
        return self._store.free_bytes()

    def delete(self, key: str) -> int:
        self._suffer()
        return self._store.delete(key)

    def _suffer(self, *, writes: bool = False) -> None:
        try:
            mood = self._mood.read_text()
        except OSError:
            return
        if mood == "slow":
            time.sleep(SLOW_S)
        if mood == "failing" or (mood == "full" and writes):
            raise StoreUnavailable(f"the store is {mood} (No space left on device, or the like)")


def open_faulty_store(*_: object) -> Store:
    """The store that the settings name, behind its faults."""
    return FaultyStore(open_store(), Path(os.environ.get(MOODS, "/nowhere")))


def as_it_is_now(store: Store) -> Store:
    """The same for a store that is open already."""
    return FaultyStore(store, Path(os.environ.get(MOODS, "/nowhere")))
