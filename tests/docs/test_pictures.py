"""Every picture of the documentation is used, and stands in the list that says what makes it."""

from __future__ import annotations

import re
from pathlib import Path

from doc_blocks import PAGES
from parcela_docs.pages import MERMAID, diagram

ROW = re.compile(r"^\| (?P<pictures>`[^|]+`) \| `(?P<maker>[^`|]+)` \|", re.MULTILINE)


def listed(checkout: Path) -> dict[str, str]:
    """What makes each picture, by the picture's name, from the list."""
    text = (checkout / "docs" / "images" / "README.md").read_text(encoding="utf-8")
    return {
        name: row["maker"]
        for row in ROW.finditer(text)
        for name in re.findall("`([^`]+)`", row["pictures"])
    }


def test_given_each_picture_then_what_makes_it_is_in_the_repository(checkout: Path) -> None:
    makers = listed(checkout)
    drawn = {path.name for path in (checkout / "docs" / "images").iterdir() if path.suffix != ".md"}
    named = {re.sub(r"^diagram-\w+", "diagram-…", name) for name in drawn}
    assert named == set(makers)
    assert [maker for maker in makers.values() if not (checkout / maker).is_file()] == []


def test_given_the_pages_then_their_pictures_are_those_in_the_list_and_no_other(
    checkout: Path,
) -> None:
    images = checkout / "docs" / "images"
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    used = {
        (page.parent / target).resolve()
        for page, text in texts.items()
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    }
    diagrams = {
        images / diagram(found["source"])
        for text in texts.values()
        for found in MERMAID.finditer(text)
    }
    drawn = {path for path in images.iterdir() if path.suffix != ".md"}
    assert used | diagrams == drawn, (
        "a diagram that was changed is drawn again: docs/images/README.md"
    )


def test_given_each_picture_of_a_page_then_it_is_described_in_words(checkout: Path) -> None:
    mute = [
        page.name
        for page in PAGES
        for words in re.findall(r"!\[([^\]]*)\]\(", page.read_text(encoding="utf-8"))
        if len(words.split()) < 4
    ]
    assert mute == []
