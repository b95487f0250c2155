"""A CSV or TSV file of scans: one row an image, a column of paths, and what else is known."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from parcela.errors import BadRequest
from parcela.files import write_tsv
from parcela_training.cohorts.cohort import Cohort, Image, listed, part_named, unique_ids
from parcela_training.cohorts.names import subject_in, unknown_subjects
from parcela_training.cohorts.nifti_files import bare_name, is_nifti

SYNONYMS = {
    "path": ("path", "scan", "image", "file", "t1w"),
    "subject": ("subject", "participant_id", "subject_id"),
}
COLUMNS = (
    "id",
    "path",
    "subject",
    "session",
    "date",
    "series",
    "dataset",
    "split",
    "mask",
    "label",
)
EMPTY = {"", "n/a", "na", "nan", "none"}  # BIDS writes n/a
Row = dict[str, str]


def read_table(path: Path) -> Cohort:
    """The images that a CSV or TSV file lists; relative paths start at the table's folder.

    Columns: ``path`` (also ``scan``, ``image``, ``file``, ``t1w``), and optionally ``subject`` (``participant_id``),
    ``id``, ``session``, ``date``, ``series``, ``dataset``, ``split``, ``mask``, ``label``; others are kept per subject.
    A list of paths without a header line will do.

    Raises:
        BadRequest: no row or no column of paths, a file that does not exist, a scan listed twice, an id used twice, or
            an unknown split.
    """
    received = _rows(path)
    rows = [_with_known_names(row) for row in received]
    if not rows or not all(row.get("path") for row in rows):
        raise BadRequest(
            f"{path}: every row needs the path of a scan, in a column `path`; columns found: "
            f"{listed(received[0], 20) if received else 'none'}"
        )
    _check_files(path, rows)
    wishes = [row.get("id") or bare_name(Path(row["path"])) for row in rows]
    ids = unique_ids((wish, row["path"]) for wish, row in zip(wishes, rows, strict=True))
    images = [_image(path, id_, row) for id_, row in zip(ids, rows, strict=True)]
    unknown = [i.id for i, row in zip(images, rows, strict=True) if not _subject(row)]
    columns = {image.subject: _others(row) for image, row in zip(images, rows, strict=True)}
    images.sort(key=lambda image: image.id)
    warnings = unknown_subjects(sorted(unknown), "add a column subject")
    return Cohort(tuple(images), path.stem, path, warnings, columns)


def write_table(path: Path, images: Sequence[Image]) -> None:
    """Images as a TSV file that ``read_table`` reads back, paths relative to it.

    Raises:
        OSError: the file cannot be written.
    """
    cells = [[_cell(image, name, path.parent) for name in COLUMNS] for image in images]
    write_tsv(path, COLUMNS, cells)


def _cell(image: Image, column: str, folder: Path) -> str:
    value = getattr(image, column)
    text = Path(os.path.relpath(value, folder)).as_posix() if isinstance(value, Path) else value
    return text or "n/a"


def _rows(path: Path) -> list[Row]:
    with path.open("rb") as stream:
        first = stream.readline().decode("utf-8", "replace").strip().strip('"')
    return read_rows(path, header=("path",) if is_nifti(Path(first)) else ())


def _with_known_names(row: Row) -> Row:
    renamed = {name.casefold(): cell for name, cell in row.items()}
    for name, synonyms in SYNONYMS.items():
        cell = next((renamed.pop(s) for s in synonyms if renamed.get(s)), "")
        renamed = {name: cell, **{k: v for k, v in renamed.items() if k != name}}
    return renamed


def _check_files(path: Path, rows: list[Row]) -> None:
    places = [
        path.parent / row[name]
        for row in rows
        for name in ("path", "mask", "label")
        if row.get(name)
    ]
    if absent := [place for place in places if not place.is_file()]:
        raise BadRequest(
            f"{path}: {len(absent)} of the {len(places)} files it lists do not exist ({listed(absent)}): paths are "
            f"relative to {path.parent}"
        )
    for column in ("path", "id"):
        count = Counter(row[column] for row in rows if row.get(column))
        if twice := [name for name, n in count.items() if n > 1]:
            raise BadRequest(
                f"{path}: listed twice in the column {column}: {listed(twice)}: leave one"
            )


def _image(table: Path, id_: str, row: Row) -> Image:
    mask, label = (
        table.parent / row[name] if row.get(name) else None for name in ("mask", "label")
    )
    return Image(
        id=id_,
        path=table.parent / row["path"],
        subject=_subject(row) or id_,
        session=row.get("session") or None,
        date=row.get("date") or None,
        series=row.get("series") or None,
        dataset=row.get("dataset") or table.stem,
        split=part_named(row.get("split", ""), f"{table}, {row['path']}"),
        mask=mask,
        label=label,
    )


def _subject(row: Row) -> str | None:
    return row["subject"] or subject_in(Path(row["path"]))


def _others(row: Row) -> Row:
    return {name: cell for name, cell in row.items() if name not in COLUMNS}


def read_rows(path: Path, *, header: tuple[str, ...] = ()) -> list[Row]:
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
    return [_row_of(path, header, line) for line in lines]


def _row_of(path: Path, header: tuple[str, ...], line: list[str]) -> Row:
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
