"""What a process finds around it: a name for its user, and memory."""

from __future__ import annotations

import errno
import getpass
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parcela.errors import LimitExceeded

NEEDED = "a scan of the usual size needs about 2 GB (as a limit by `ulimit -v`: 3 GB)"
LEAST_ADDRESSES = 2_500_000_000  # bytes of addresses; PyTorch alone takes much of it
SAYINGS = (  # of Python, NumPy, PyTorch, the loader, the C++ library, ITK
    *("can't start new thread", "unable to allocate", "can't allocate memory"),
    *("cannot allocate memory", "out of memory", "bad_alloc", "failed to allocate"),
)


def name_user() -> None:
    """Give a user whom the system does not know a name and a home, as containers do; libraries ask for both.

    MONAI asks when it is imported, matplotlib when it looks for its settings.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"uid-{os.getuid()}"
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()


def check_memory_limit() -> None:
    """Refuse to begin where this process may not take what PyTorch and a network need: some libraries would hang.

    Raises:
        LimitExceeded: with how much is allowed and how much is needed.
    """
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY and allowed < LEAST_ADDRESSES:
        raise LimitExceeded(
            f"this process may take {allowed / 1e9:.1f} GB of memory (`ulimit -v`), and {NEEDED}: raise the limit"
        )


def speaks_of_memory(text: str) -> bool:
    """Whether the words of some library mean that memory ran out."""
    return any(saying in text.lower() for saying in SAYINGS)


@contextmanager
def explaining_memory() -> Iterator[None]:
    """A block in which memory may run out: whatever library says so, in its own way, it is one error.

    Raises:
        LimitExceeded: memory ran out.
    """
    try:
        yield
    except LimitExceeded:
        raise
    except Exception as error:
        if _out_of_memory(error):
            raise LimitExceeded(
                f"memory ran out, and {NEEDED}: free some, raise the limit, or crop the scan to the head"
            ) from error
        raise


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that memory ran out."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, RuntimeError | ImportError | OSError) and speaks_of_memory(str(error)):
            return True
        error = error.__cause__
    return False
