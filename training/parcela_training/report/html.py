"""The report as one HTML file that needs no other: the pictures are in it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from parcela_training.report.document import (
    Block,
    Bullets,
    Document,
    Heading,
    Paragraph,
    Picture,
    Table,
)

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
figure { margin: 1.5rem 0; overflow-x: auto; }
figcaption { font-weight: 600; margin-bottom: .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top;
         border-bottom: 1px solid #8884; }
img { max-width: 100%; height: auto; background: #fff; }
.note { color: #777; font-size: .9rem; }
.missing { border-left: 4px solid #b45309; padding-left: .7rem; }
"""


def to_html(document: Document, title: str) -> str:
    """The text of ``report.html``: no script, nothing loaded from anywhere."""
    body = "\n".join(_block(block) for block in document)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p>{escape(block.text)}</p>"
        case Bullets():
            return "<ul>" + "".join(f"<li>{escape(point)}</li>" for point in block.points) + "</ul>"
        case Table():
            return _captioned(block, _table(block) if block.rows else "")
        case Picture():
            return _captioned(block, _image(block.png, block.title) if block.png else "")


def _captioned(block: Table | Picture, shown: str) -> str:
    missing = f'<p class="missing">Missing: {escape(block.missing)}</p>'
    note = f'<p class="note">{escape(block.note)}</p>' if block.note else ""
    caption = f"<figcaption>{escape(block.title)}</figcaption>"
    return f"<figure>{caption}\n{shown or missing}{note}</figure>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "\n".join(f"<tr>{_cells(row)}</tr>" for row in table.rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _cells(row: Sequence[str]) -> str:
    first, *others = (escape(cell) for cell in row)
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others)


def _image(png: bytes, title: str) -> str:
    return f'<img alt="{escape(title)}" src="data:image/png;base64,{b64encode(png).decode()}">'
