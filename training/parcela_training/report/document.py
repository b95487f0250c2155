"""A report as a sequence of plain blocks, which Markdown and HTML are written from."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 or 2."""

    kind: ClassVar = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text, one paragraph."""

    kind: ClassVar = "paragraph"
    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """Plain text, one point each."""

    kind: ClassVar = "bullets"
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

    kind: ClassVar = "table"
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

    kind: ClassVar = "picture"
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

    @property
    def data_url(self) -> str:
        """The picture itself as an address, so that a page needs no other file; empty without one."""
        return f"data:image/png;base64,{b64encode(self.png).decode()}" if self.png else ""


Block = Heading | Paragraph | Bullets | Table | Picture
Document = Sequence[Block]
