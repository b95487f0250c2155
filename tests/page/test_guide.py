"""The documentation as the gateway serves it, in a real browser: readable, searchable, and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from axe_faults import faults
from built_site import build_site
from gateway_server import Gateway
from parcela_gateway.page import guide

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]
PAGES = ("index.html", "tutorials/first-scan.html", "reference/api.html")
WIDE, NARROW = {"width": 1300, "height": 800}, {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    return build_site(tmp_path_factory.mktemp("guide") / "site")


@pytest.fixture(autouse=True)
def served(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway finds the site where it looks for one."""
    monkeypatch.setattr(guide, "GUIDE", site)


@pytest.mark.parametrize(("window", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_given_pages_of_the_guide_when_axe_looks_then_nothing_serious_stands_in_the_way(
    visit: Visit, standing: Gateway, axe: str, window: dict[str, int], scheme: str
) -> None:
    page = visit(standing.url, viewport=window, color_scheme=scheme)
    serious = {}
    for name in PAGES:
        page.goto(f"/docs/guide/{name}")
        expect(page.locator("h1")).to_be_visible()
        serious[name] = faults(page, axe)
    assert serious == {name: [] for name in PAGES}


def test_given_the_guide_when_searched_then_a_page_is_found_without_asking_another_host(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url, viewport=WIDE)
    page.get_by_role("link", name="Help").click()
    page.get_by_placeholder("Search").fill("supervisor")
    page.get_by_placeholder("Search").press("Enter")
    result = page.locator("ul.search li a", has_text="supervisor").first
    expect(result).to_be_visible()
    result.click()
    expect(page.locator("h1")).to_contain_text("supervisor")


def test_given_the_guide_when_the_colours_are_changed_then_the_choice_is_kept(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url, viewport=WIDE, color_scheme="light")
    page.goto("/docs/guide/")
    before = page.locator("body").get_attribute("data-theme")
    page.locator(".content-icon-container button.theme-toggle").click()
    chosen = page.locator("body").get_attribute("data-theme")
    assert chosen != before
    page.goto("/docs/guide/command.html")
    expect(page.locator("body")).to_have_attribute("data-theme", chosen or "")
