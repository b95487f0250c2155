"""Built pages without inline scripts and styles, so that they work under `script-src 'self'; style-src 'self'`.

The theme has a few of them. Each goes into a file of its own, named after its content.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path

SCRIPT = re.compile(r"<script>(?P<content>.*?)</script>", re.DOTALL)
STYLE = re.compile(r"<style>(?P<content>.*?)</style>", re.DOTALL)
# What style attributes of the theme say, as attributes that need no permission; what a screen reader misses in a
# heading; and code and tables that are wider than the page, which a keyboard scrolls.
ATTRIBUTES = {
    'role="heading"': 'role="heading" aria-level="2"',
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    'style="display: none;"': 'width="0" height="0" aria-hidden="true"',
    'style="opacity: 50%"': 'opacity="0.5"',
}
NO_ICON = '<link rel="icon" href="data:,">'
INLINE = re.compile(
    r"<script(?![^>]*\b(?:src|type=\"application/json\"))|<style|\sstyle=\"|\son[a-z]+=\""
)
STRANGE = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=\"(?:https?:)?//[^\"]*\""
)


class AgainstPolicy(ValueError):
    """A built page has something inline, or loads something from another host."""


def harden(site: Path) -> None:
    """Move what is inline in every page of a built site into files.

    Raises:
        AgainstPolicy: something is left that the policy forbids.
    """
    for page in sorted(site.rglob("*.html")):
        html = _hardened(page.read_text(encoding="utf-8"), page, site)
        page.write_text(html, encoding="utf-8")
        left = INLINE.findall(html) + STRANGE.findall(html)
        if left:
            raise AgainstPolicy(f"{page.relative_to(site)}: {left}")


def _hardened(html: str, page: Path, site: Path) -> str:
    here = os.path.relpath(site / "_static", page.parent)

    def script(found: re.Match[str]) -> str:
        return f'<script src="{here}/{_file(found["content"], site, ".js")}"></script>'

    def style(found: re.Match[str]) -> str:
        return f'<link rel="stylesheet" href="{here}/{_file(found["content"], site, ".css")}">'

    for old, new in ATTRIBUTES.items():
        html = html.replace(old, new)
    html = STYLE.sub(style, SCRIPT.sub(script, html))
    return html.replace("</head>", f"{NO_ICON}</head>")


def _file(content: str, site: Path, suffix: str) -> str:
    name = f"inline-{sha256(content.encode()).hexdigest()[:12]}{suffix}"
    (site / "_static" / name).write_text(content, encoding="utf-8")
    return name
