"""The pages of the site, laid out for Sphinx: `docs/` as it is, and what it links to elsewhere in the repository.

A page keeps its words. Its links are bent, because `docs/` becomes the root of the site and what lies outside
comes under `more/`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

LINK = re.compile(r'(?P<before>\]\(|(?:src|href)=")(?P<target>[^)\s"]+)(?P<after>[)"])')
FENCE = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)
MERMAID = re.compile(r"^```mermaid\n(?P<source>.*?)^```$", re.DOTALL | re.MULTILINE)
CHECKOUT = Path(__file__).resolve().parents[2]
IMAGES = CHECKOUT / "docs" / "images"
DRAWN = "A diagram of what the text below says"
MORE = Path("more")
START = "index.md"


class BrokenLink(ValueError):
    """A page links to what is not in the repository."""


def lay_out(checkout: Path, site: Path, made: dict[str, str]) -> None:
    """Write every page into an empty folder.

    Args:
        checkout: the root of the repository.
        site: where the pages go.
        made: pages made from the code: path in the site to Markdown. They are listed under the heading "Reference".

    Raises:
        BrokenLink: a page links to a file that is not there.
    """
    docs = checkout / "docs"
    waiting = sorted(docs.rglob("*.md"))
    pages: dict[Path, str] = {}
    while waiting:
        path = waiting.pop()
        if path in pages:
            continue
        text, linked = bent(path, checkout)
        pages[path] = text if re.search("^# ", text, re.MULTILINE) else _titled(path, text)
        waiting += [file for file in linked if file.suffix == ".md"]
        for file in linked:
            _copied(file, site / place(file, checkout))
    more = sorted(str(place(path, checkout)) for path in pages if not path.is_relative_to(docs))
    decisions = docs / "decisions" / "README.md"
    pages[decisions] += _tree(
        "Decisions", (file.name for file in sorted(decisions.parent.glob("[0-9]*.md")))
    )
    pages[docs / START] = _with_navigation(pages[docs / START], list(made), more)
    for path, text in pages.items():
        _written(site / place(path, checkout), text)
    for name, text in made.items():
        _written(site / name, text)


def place(path: Path, checkout: Path) -> Path:
    """Where a file of the repository lies in the site."""
    docs = checkout / "docs"
    return (
        path.relative_to(docs) if path.is_relative_to(docs) else MORE / path.relative_to(checkout)
    )


def bent(path: Path, checkout: Path) -> tuple[str, list[Path]]:
    """A page's text with links that hold in the site, and the files that it links to."""
    linked: list[Path] = []

    def turned(link: re.Match[str]) -> str:
        target, _, anchor = link["target"].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return link[0]
        file = (path.parent / target).resolve()
        if not file.is_file():
            raise BrokenLink(f"{path.relative_to(checkout)} links to {target}: no such file")
        linked.append(file)
        here = place(path, checkout).parent
        there = os.path.relpath(place(file, checkout), here)
        return link["before"] + there + (f"#{anchor}" if anchor else "") + link["after"]

    text = path.read_text(encoding="utf-8")
    text = MERMAID.sub(
        lambda found: f"![{DRAWN}](images/{diagram(found['source'])})",
        text,
    )
    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(turned, part) for part in parts[::2]]
    return "".join(parts), linked


def _titled(path: Path, text: str) -> str:
    """A table that a script wrote, under its own name."""
    return f"# {path.stem.replace('_', ' ').capitalize()}, measured\n\n{text}"


def diagram(source: str) -> str:
    """The name of the picture that a diagram is drawn to."""
    return f"diagram-{sha256(source.encode()).hexdigest()[:12]}.svg"


def _with_navigation(start: str, made: Iterable[str], more: Iterable[str]) -> str:
    """The start page with the site's navigation: what it links to under each heading, in that order."""
    text = ""
    for part in re.split(r"^(?=## )", start, flags=re.MULTILINE):
        heading = part.partition("\n")[0].removeprefix("## ")
        pages = [link["target"] for link in LINK.finditer(part) if link["target"].endswith(".md")]
        pages += {"Reference": made, "Measurements and cards": more}.get(heading, ())
        text += part + _tree(heading, pages) if part.startswith("## ") else part
    return text


def _tree(caption: str, pages: Iterable[str]) -> str:
    lines = "\n".join(dict.fromkeys(pages))
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n\n"


def _copied(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def _written(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
