"""The report as Markdown, with its pictures as files beside it."""

from __future__ import annotations

from collections.abc import Sequence

from parcela_training.report.document import (
    Block,
    Bullets,
    Document,
    Heading,
    Paragraph,
    Picture,
    Table,
)

SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>#|"})


def to_markdown(document: Document, folder: str) -> str:
    """The text of ``report.md``; ``folder`` is where the pictures lie, relative to it."""
    return "\n\n".join(_block(block, folder) for block in document) + "\n"


def _block(block: Block, folder: str) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_escaped(block.text)}"
        case Paragraph():
            return _escaped(block.text)
        case Bullets():
            return "\n".join(f"- {_escaped(point)}" for point in block.points)
        case Table():
            return _captioned(block, _table(block))
        case Picture():
            shown = block.png and f"![{_escaped(block.title)}]({folder}/{block.file})"
            return _captioned(block, shown or "")


def _captioned(block: Table | Picture, shown: str) -> str:
    lines = [f"**{_escaped(block.title)}**", shown or f"*Missing: {_escaped(block.missing)}*"]
    return "\n\n".join([*lines, _escaped(block.note)] if block.note else lines)


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    return "\n".join(
        [_row(table.columns), "|---" * len(table.columns) + "|"] + [_row(row) for row in table.rows]
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return " ".join(text.split()).translate(SPECIAL)
