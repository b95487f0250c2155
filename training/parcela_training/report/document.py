"""A report as a sequence of plain blocks, which Markdown and HTML are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 or 2."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text, one paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """Plain text, one point each."""

    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; without rows its ``missing`` sentence stands in its place.

    Attributes:
        number: such as ``4.1``.
        caption: what it shows.
        columns: headings.
        rows: cells, as many as columns.
        note: printed below.
        missing: what the run lacks to fill it.
    """

    number: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    missing: str = ""

    @property
    def title(self) -> str:
        """Such as ``Table 4.1. Mean Dice``."""
        return f"Table {self.number}. {self.caption}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure; without a PNG its ``missing`` sentence stands in its place.

    Attributes:
        number: such as ``4.3``.
        caption: what it shows.
        png: the bytes of the picture.
        note: printed below.
        missing: what the run lacks to draw it.
    """

    number: str
    caption: str
    png: bytes | None
    note: str = ""
    missing: str = ""

    @property
    def title(self) -> str:
        """Such as ``Figure 4.3. The five best regions``."""
        return f"Figure {self.number}. {self.caption}"

    @property
    def file(self) -> str:
        """Name of its file beside the report, such as ``figure-4.3.png``."""
        return f"figure-{self.number}.png"


Block = Heading | Paragraph | Bullets | Table | Picture
Document = Sequence[Block]
