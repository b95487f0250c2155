"""The commands of the documentation: every fenced block of a shell or of Python, and why it cannot be run, if so.

A block that cannot be run in a test has the reason before it, which a reader does not see:
``<!-- not run: needs a cluster -->``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
OUTSIDE = ("README.md", "CONTRIBUTING.md")
PAGES = [*(CHECKOUT / name for name in OUTSIDE), *sorted((CHECKOUT / "docs").rglob("*.md"))]
FENCED = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>[^\n]*?) -->\n\s*)?"
    r"^(?P<indent> *)```(?P<language>sh|python)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
SERVER = "127.0.0.1:8000"


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Attributes:
        page: relative to the checkout.
        line: of the page, where its text begins.
        language: ``sh`` or ``python``.
        text: what is in it, without the indentation of a list.
        reason: why no test runs it; empty where one does.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The command lines of a shell block, continued lines joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and self.language == "sh"]


def blocks_of(page: Path) -> list[Block]:
    """Every block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page.relative_to(CHECKOUT).as_posix(),
            text.count("\n", 0, found.start("text")) + 1,
            found["language"],
            re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
            (found["reason"] or "").strip(),
        )
        for found in FENCED.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
