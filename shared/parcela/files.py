"""Files: one that appears whole or not at all, a table as one, the SHA-256 of one, and its name as text."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A stream to write ``path`` through: the file takes its name only when the block ends without an error.

    Until then the bytes lie in the same folder under a temporary name, which an error removes; an existing file
    is replaced in one step. Permissions follow the umask.

    Raises:
        OSError: the folder does not exist, is full, or may not be written to.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as stream:
            yield stream
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal, read in bounded memory.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def printable(name: str) -> str:
    """A file's name as text: a replacement character for what is no character, and for what would break a line.

    Python holds bytes of a name that are no UTF-8 as surrogates, which no stream and no text file takes.
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", name)


def write_text(path: Path, text: str) -> None:
    """``text`` as UTF-8, lines ended by a bare newline on every platform, whole or not at all."""
    with atomic_file(path) as stream:
        stream.write(text.encode("utf-8"))


def write_tsv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A tab-separated table as BIDS and pandas write it: a cell with a tab, a quote or a line's end in double quotes.

    Args:
        path: appears whole or not at all.
        columns: the header line.
        rows: their cells; a number in full, None as an empty cell.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    write_text(path, text.getvalue())
