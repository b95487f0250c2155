"""The documentation as a site: laid out from `docs/`, strict, and without anything inline or from another host."""

from __future__ import annotations

from pathlib import Path

import pytest

from built_site import build_site
from parcela_docs.pages import LINK, BrokenLink, lay_out
from parcela_docs.policy import AgainstPolicy, harden

PAGES = {
    "docs/index.md": "# Start\n\n## Reference\n\n- [scan](scan.md)\n\n## Measurements and cards\n",
    "docs/scan.md": "# Scan\n\n[card](../weights/unet/README.md#dice), [why](decisions/README.md)\n",
    "docs/decisions/README.md": "# Decisions\n",
    "docs/decisions/0001-one.md": "# One\n\n[numbers](../../results.md)\n",
    "weights/unet/README.md": "# U-Net\n\n[page](../../docs/scan.md)\n",
    "results.md": "**A table**\n",
}
THEME = """<html><head><style>p { color: red }</style></head><body>
<svg style="display: none;"></svg><script>go()</script><a href="https://example.org">out</a></body></html>"""


def tree(folder: Path, files: dict[str, str]) -> Path:
    """Files under a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_given_pages_when_laid_out_then_every_link_holds_in_the_site(tmp_path: Path) -> None:
    site = tmp_path / "site"
    lay_out(tree(tmp_path / "checkout", PAGES), site, {"reference/made.md": "# Made\n"})
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.md")}
    assert pages == {
        *("index.md", "scan.md", "decisions/README.md", "decisions/0001-one.md"),
        *("more/weights/unet/README.md", "more/results.md", "reference/made.md"),
    }
    for page in pages:
        for link in LINK.finditer((site / page).read_text()):
            assert (site / page).parent.joinpath(link["target"].partition("#")[0]).exists()


def test_given_the_start_page_then_it_is_the_navigation(tmp_path: Path) -> None:
    site = tmp_path / "site"
    lay_out(tree(tmp_path / "checkout", PAGES), site, {"reference/made.md": "# Made\n"})
    text = (site / "index.md").read_text()
    assert ":caption: Reference\n\nscan.md\nreference/made.md\n" in text
    assert ":caption: Measurements and cards\n\nmore/results.md\nmore/weights" in text
    assert (site / "more" / "results.md").read_text().startswith("# Results, measured\n")


def test_given_a_link_to_nothing_then_no_site_is_built(tmp_path: Path) -> None:
    checkout = tree(tmp_path / "checkout", PAGES | {"docs/scan.md": "# Scan\n\n[x](gone.md)\n"})
    with pytest.raises(BrokenLink, match=r"docs/scan.md links to gone.md"):
        lay_out(checkout, tmp_path / "site", {})


def test_given_a_built_page_then_its_scripts_and_styles_become_files(tmp_path: Path) -> None:
    site = tree(tmp_path, {"a/b.html": THEME, "_static/x.css": ""})
    harden(site)
    html = (site / "a" / "b.html").read_text()
    assert "<style" not in html
    assert "style=" not in html
    assert {path.read_text() for path in (site / "_static").glob("inline-*")} == {
        "p { color: red }",
        "go()",
    }
    assert html.count("../_static/inline-") == 2


@pytest.mark.parametrize(
    "more",
    [
        '<p style="color: red">',
        '<p onclick="go()">',
        "<script async>go()</script>",
        '<script src="https://example.org/x.js"></script>',
        '<img src="//example.org/x.png">',
        '<link rel="stylesheet" href="https://example.org/x.css">',
    ],
)
def test_given_what_the_policy_forbids_then_it_is_not_let_through(
    tmp_path: Path, more: str
) -> None:
    site = tree(tmp_path, {"page.html": THEME.replace("</body>", more), "_static/x.css": ""})
    with pytest.raises(AgainstPolicy, match=r"page\.html"):
        harden(site)


def test_given_the_documentation_then_every_page_stands_on_the_start_page(checkout: Path) -> None:
    docs = checkout / "docs"
    start = (docs / "index.md").read_text(encoding="utf-8")
    linked = {link["target"] for link in LINK.finditer(start)}
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    listed = {page for page in pages if page.startswith("decisions/0")} | {"index.md"}
    assert pages - listed <= linked, "list it in docs/index.md: that is the site's navigation"


@pytest.mark.slow
def test_given_the_documentation_then_it_builds_without_a_warning(
    tmp_path: Path,
) -> None:
    site = build_site(tmp_path / "site")
    for page in ("index", "reference/api", "reference/command", "reference/settings", "search"):
        assert (site / f"{page}.html").stat().st_size > 5000
    assert "parcela.predict" in (site / "reference" / "python.html").read_text()
