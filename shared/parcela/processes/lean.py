"""A lean process: without libraries that others load in case, memory given back at once, no thread that waits at work.

For programs that are ours alone: the command, a worker, a compute child, an isolated task. Nothing here changes a
result; what it saves is in docs/performance.md.
"""

from __future__ import annotations

import ctypes
import importlib.machinery
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# What these load when they are imported, for functions that we do not call.
LEFT_OUT = {
    "monai": ("matplotlib", "PIL", "scipy.signal", "scipy.stats", "sklearn"),
    "nibabel": ("pydicom",),
    "pydicom": ("PIL", "requests"),
}
# A thread that has nothing to do would otherwise turn in circles, at the cost of whatever else runs. NumPy's have none.
IDLE_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of malloc.h
LARGE_BYTES = 4 * 1024**2


def be_lean() -> None:
    """Make this process a lean one; before PyTorch, MONAI or nibabel is imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name, value in IDLE_THREADS.items():
        os.environ.setdefault(name, value)
    # glibc else raises this threshold to the largest array freed, and keeps what smaller ones leave.
    _tell_malloc({M_MMAP_THRESHOLD: LARGE_BYTES})


def keep_memory() -> None:
    """Make this process keep the memory that it frees, in large pages: for one that repeats the same work for hours.

    A lean process asks the system for each large array anew, and the system clears every page of it. In training that
    was a quarter of the processor's time, and keeping it costs up to 1.2 GB more at the peak.
    """
    # PyTorch reads it once, when it first needs memory: later it is without effect, and without harm.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    _tell_malloc({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1})


def _tell_malloc(parameters: dict[int, int]) -> None:
    with suppress(OSError, AttributeError):  # of glibc alone
        for parameter, value in parameters.items():
            ctypes.CDLL(None).mallopt(parameter, value)


class _Finder(MetaPathFinder):
    """Finds the libraries of ``LEFT_OUT`` as Python does, and has them run without what is left out."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        names = LEFT_OUT.get(fullname)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path) if names else None
        if names is None or spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_without(module: ModuleType) -> None:
            with without(names):
                run(module)

        spec.loader.exec_module = run_without  # type: ignore[method-assign]
        return spec


@contextmanager
def without(names: Sequence[str]) -> Iterator[None]:
    """A block in which these modules cannot be imported, as if not installed; one that is loaded already can."""
    missing = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in missing:
            sys.modules.pop(name, None)
