"""The diagrams of the pages as pictures: a code host draws Mermaid itself, and the site loads no script for it.

npm pack mermaid && tar xzf mermaid-*.tgz
python -m parcela_docs.diagrams --mermaid package/dist/mermaid.min.js

A picture is named after the source that it was drawn from: the build fails on a diagram that was changed since.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from playwright.sync_api import sync_playwright

from parcela_docs.pages import CHECKOUT, IMAGES, MERMAID, diagram

DRAW = """async (source) => {
    mermaid.initialize({startOnLoad: false, theme: 'neutral', htmlLabels: false, flowchart: {htmlLabels: false}});
    return (await mermaid.render('diagram', source)).svg;
}"""
ARGUMENTS = ["--no-sandbox"]


def main() -> None:
    """Draw every diagram anew, and remove the pictures of former ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mermaid", type=Path, required=True)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    pages = [page.read_text(encoding="utf-8") for page in (CHECKOUT / "docs").rglob("*.md")]
    sources = [found["source"] for text in pages for found in MERMAID.finditer(text)]
    for old in IMAGES.glob("diagram-*.svg"):
        old.unlink()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=ARGUMENTS)
        page = browser.new_page()
        page.add_script_tag(path=given.mermaid)
        for source in sources:
            svg = page.evaluate(DRAW, source)
            svg = re.sub(r'style="[^"]*"', 'style="background: white"', svg, count=1)
            (IMAGES / diagram(source)).write_text(svg + "\n", encoding="utf-8")
        browser.close()


if __name__ == "__main__":
    main()
