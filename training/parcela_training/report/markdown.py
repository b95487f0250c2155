"""The report as Markdown, with its pictures as files beside it."""

from __future__ import annotations

from parcela.bundle.page import render_text
from parcela_training.report.document import Document

SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>#|"})


def to_markdown(document: Document, folder: str) -> str:
    """The text of ``report.md``; ``folder`` is where the pictures lie, relative to it."""
    return render_text(
        __package__, "experiment.md.jinja", document=document, folder=folder, escaped=_escaped
    )


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return " ".join(text.split()).translate(SPECIAL)
