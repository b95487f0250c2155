"""What stands in the way of a keyboard, a screen reader or a small window, as axe sees it."""

from __future__ import annotations

from playwright.sync_api import Page


def faults(page: Page, axe: str) -> list[tuple[str, list[str]]]:
    """What axe calls serious or critical; and whether the page is wider than the window."""
    page.evaluate(axe)
    serious = [
        (rule["id"], [node["html"][:200] for node in rule["nodes"]])
        for rule in page.evaluate("axe.run()")["violations"]
        if rule["impact"] in ("serious", "critical")
    ]
    fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return serious if fits else [*serious, ("wider than the window", [])]
