"""The page of a group: sorted by the keyboard, failures and outliers marked, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from axe_faults import faults
from parcela.bundle.page import render_page

WHOLES = ("brain mask",)


def row(label: str, total: str, **changes: object) -> dict[str, object]:
    """One scan, done and unremarkable unless told."""
    links = {"picture": f"{label}_qc.png", "report": f"{label}_report.html"}
    numbers = {"regions": 116, "total": total, "wholes": ["1500"], "seconds": "31"}
    words = {"verdict": "ok", "failure": "", "doubts": [], "warnings": []}
    return {"label": label, **links, **numbers, **words, **changes}


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a failed scan, an outlier, a doubtful one and a good one."""
    empty = {
        "picture": "",
        "report": "",
        "regions": "",
        "wholes": [""],
        "seconds": "",
        "verdict": "",
    }
    rows = [
        row("sub-01", "1200"),
        row("sub-02", "", failure="the gzip stream is damaged: " + "copy it again " * 9, **empty),
        row("sub-03", "990", verdict="doubtful", warnings=["the brain is cut at the top"]),
        row("sub-04", "1100", doubts=["Thalamus_L: 7.3 ml"]),
    ]
    values = {"title": "AAL regions of the group", "wholes": WHOLES, "done": 3, "failed": 1}
    page = render_page("parcela_cli.bids", "group.html", rows=rows, tables=("long.tsv",), **values)
    path = tmp_path_factory.mktemp("group") / "group.html"
    path.write_text(page, encoding="utf-8")
    return path


def order(page: Page) -> list[str]:
    """The scans from top to bottom."""
    return [cell.strip() for cell in page.locator("#scans tbody td:first-child").all_inner_texts()]


def test_given_the_page_when_a_heading_is_given_by_the_keyboard_then_the_scans_are_sorted_by_it(
    browser: Browser, group: Path
) -> None:
    page = browser.new_page()
    page.goto(group.as_uri())
    headings = page.locator("#scans th:has(button)")
    assert headings.first.get_attribute("aria-sort") == "ascending"
    for place, presses, expected in (
        ("Regions together, ml", 1, ["sub-01", "sub-04", "sub-03", "sub-02"]),
        ("Regions together, ml", 1, ["sub-02", "sub-03", "sub-04", "sub-01"]),
        ("Quality", 1, ["sub-03", "sub-04", "sub-01", "sub-02"]),
        ("To look at", 1, ["sub-02", "sub-04", "sub-03", "sub-01"]),
    ):
        page.get_by_role("button", name=place).focus()
        for _ in range(presses):
            page.keyboard.press("Enter")
        assert order(page) == expected, place
    sorted_by = page.locator("#scans th[aria-sort]")
    assert sorted_by.all_inner_texts()[0].startswith("To look at")
    assert (sorted_by.count(), sorted_by.get_attribute("aria-sort")) == (1, "descending")
    assert page.locator("tr.failed").inner_text().count("FAILED") == 1
    assert page.locator("tr.outlier .badge.look").inner_text() == "outlier"


@pytest.mark.parametrize("width", [1700, 390], ids=["wide", "narrow"])
def test_given_a_window_then_the_page_uses_its_width_and_nothing_stands_in_the_way(
    browser: Browser, group: Path, axe: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 700})
    page.goto(group.as_uri())

    assert faults(page, axe) == []
    used = page.locator("#scans").bounding_box()
    assert used is not None
    assert used["width"] > 0.9 * width
