"""The rows of a CSV or TSV file, as dictionaries."""

from __future__ import annotations

import csv
from pathlib import Path

from parcela.errors import BadRequest

EMPTY = {"", "n/a", "na", "nan", "none"}  # BIDS writes n/a


def read_rows(path: Path, *, header: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """The rows under the header line, cells stripped; what stands for nothing (``n/a``) becomes empty.

    Args:
        path: UTF-8, with or without a byte-order mark. The separator is the tab, semicolon or comma that the first
            line has most of. Blank lines are skipped.
        header: names of the columns, for a file without a header line.

    Raises:
        BadRequest: the file cannot be read as a table, or has a row of another length than its header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"{path}: cannot be read as a table ({error}): save it as UTF-8"
        ) from error
    first = text.partition("\n")[0]
    separator = max("\t;,", key=first.count)
    lines = [line for line in csv.reader(text.splitlines(), delimiter=separator) if any(line)]
    if not header:
        header = tuple(cell.strip() for cell in lines.pop(0)) if lines else ()
    return [_row(path, header, line) for line in lines]


def _row(path: Path, header: tuple[str, ...], line: list[str]) -> dict[str, str]:
    if len(line) != len(header):
        raise BadRequest(
            f"{path}: the row that begins with {line[0]!r} has {len(line)} cells, the header {len(header)}: "
            "give every row a cell for every column"
        )
    cells = (cell.strip() for cell in line)
    return {
        name: "" if cell.casefold() in EMPTY else cell
        for name, cell in zip(header, cells, strict=True)
    }
