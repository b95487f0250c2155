"""A disk of a few MB for the tests, which can be filled and made read-only: a tmpfs, where this user may mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SIZE = "4m"


class SmallDisk:
    """A folder on a file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room for a single byte."""
        with self._ballast.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(b"x" * 4096)
                except OSError:
                    return

    def free(self) -> None:
        """Take away what filled it."""
        self._ballast.unlink()

    def grow(self) -> None:
        """Give it room again, whatever lies on it."""
        self.remount("size=64m")

    def remount(self, how: str) -> None:
        """``ro`` or ``rw``, or another size."""
        _mount("-o", f"remount,{how}", str(self.folder))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """An empty one."""
    folder = tmp_path_factory.mktemp("disk")
    try:
        _mount("-t", "tmpfs", "-o", f"size={SIZE}", "parcela-test", str(folder))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a file system")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
