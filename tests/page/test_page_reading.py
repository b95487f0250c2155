"""Who reads the page: in three languages, by keyboard and screen reader, on a telephone, in the dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from atlas_bundle import small_scan
from axe_faults import faults
from gateway_server import Gateway, fail_once, work_once

Visit = Callable[..., Page]
TELEPHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
# What the page can show, and by what one sees that it does.
STATES = {"list": "li.job", "failed": ".fault", "done": "[data-ready]", "login": "form.login"}
WORDS = {
    "en": ("Drop T1-weighted scans here", "Research software, not a medical device."),
    "pt": ("Solte aqui exames ponderados em T1", "não é um dispositivo médico"),
    "es": ("Suelte aquí estudios ponderados en T1", "no es un producto sanitario"),
}


@pytest.fixture(scope="module")
def jobs(standing: Gateway) -> dict[str, str]:
    """A job of each kind: done, failed, waiting."""
    ids = {"done": standing.accepted(small_scan().scan)}
    while work_once(standing.ledger, standing.store, small_scan().bundle):
        pass
    ids["failed"] = standing.accepted(small_scan().scan)
    fail_once(standing.ledger)
    ids["waiting"] = standing.accepted(small_scan().scan)
    return ids


@pytest.mark.parametrize(
    ("states", "options"),
    [
        pytest.param(["list", "failed", "login"], {}, id="wide"),
        pytest.param([*STATES], {"color_scheme": "dark"}, id="dark", marks=pytest.mark.slow),
        pytest.param([*STATES], TELEPHONE, id="telephone", marks=pytest.mark.slow),
    ],
)
def test_given_any_state_when_axe_looks_then_nothing_serious_stands_in_the_way(
    visit: Visit, standing: Gateway, jobs: dict[str, str], axe: str, states: list[str], options: Any
) -> None:
    page = visit(standing.url, **options)
    for state in states:
        if state == "login":
            for path in ("**/events*", "**/jobs?*"):
                page.route(path, lambda route: route.fulfill(status=401, body="{}"))
            page.reload()
        else:
            page.goto(f"/#/jobs/{jobs[state]}" if state in jobs else "/#/")
        expect(page.locator(STATES[state]).first).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
        assert faults(page, axe) == []


def test_given_a_language_when_chosen_then_the_page_speaks_it_and_remembers(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    for language, (title, device) in WORDS.items():
        page.locator("header select").select_option(language)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.locator("footer")).to_contain_text(device)
        expect(page.locator(".drop")).to_contain_text(device)
        assert page.evaluate("document.documentElement.lang") == language


def test_given_a_choice_then_its_name_is_short_and_its_cost_is_its_description(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    page.get_by_text("More choices").click()
    fast = page.get_by_role("checkbox", name="Fast", exact=True)
    expect(fast).to_have_accessible_description(re.compile("Seconds in place of a minute"))
    network = page.get_by_role("combobox", name="Network", exact=True)
    expect(network).to_have_accessible_description(re.compile("What names the regions"))


def test_given_three_languages_when_a_region_is_searched_then_its_plain_name_is_found_in_each(
    visit: Visit, standing: Gateway, jobs: dict[str, str]
) -> None:
    page = visit(standing.url)
    page.goto(f"/#/jobs/{jobs['done']}")
    for language, count, searches in (
        ("en", "2 of 116 found", ("amygdala", "corpo amigdaloide", "frontal_inf_oper")),
        ("pt", "2 de 116 encontradas", ("amigdala", "Opérculo rolândico", "nucleo caudado")),
        (
            "es",
            "1 de 116 encontradas",
            ("hipocampo izquierdo", "ínsula derecho", "vermis vii cerebelo lobulo viii"),
        ),
    ):
        page.locator("header select").select_option(language)
        for words in searches:
            page.locator("section.regions input[type=search]").fill(words)
            expect(page.get_by_text(count)).to_be_visible()
    page.locator("section.regions input[type=search]").fill("giro frontal inferior")
    row = page.locator("tbody tr", has_text="Frontal_Inf_Oper_L")
    expect(row.locator(".plain")).to_have_text(
        "Giro frontal inferior, parte opercular, lado izquierdo"
    )
    expect(row.locator("td.lobe")).to_have_text("Lóbulo frontal")


def test_given_the_first_view_then_it_is_small_and_the_viewer_is_not_in_it(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    expect(page.get_by_role("heading", name="Your scans")).to_be_visible()
    loaded = page.evaluate(
        "performance.getEntriesByType('resource').map((r) => [r.name, r.decodedBodySize])"
    )
    files = {name: size for name, size in loaded if "/assets/" in name}
    assert files
    assert not any("niivue" in name for name in files)
    assert sum(files.values()) < 300_000


@pytest.mark.slow
def test_given_a_keyboard_alone_then_the_table_leads_into_the_scan(
    visit: Visit, standing: Gateway, jobs: dict[str, str]
) -> None:
    page = visit(standing.url)
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "MAIN"
    page.goto(f"/#/jobs/{jobs['done']}")
    expect(page.locator("[data-ready]")).to_be_visible()
    page.get_by_label("Search a region").focus()
    page.keyboard.type("thalamus_r")
    page.get_by_role("button", name="Go to Thalamus_R").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".here")).to_have_attribute("data-region", "Thalamus_R")


@pytest.mark.slow
def test_given_a_browser_without_webgl_when_a_map_is_opened_then_its_picture_is_shown(
    visit: Visit, standing: Gateway, jobs: dict[str, str]
) -> None:
    page = visit(standing.url)
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(f"/?#/jobs/{jobs['done']}")
    expect(page.get_by_text("This browser cannot draw the scan")).to_be_visible()
    expect(page.locator(".viewer img")).to_be_visible()
    expect(page.locator("td.volume_mm3")).to_have_count(116)


def test_given_the_pages_about_the_api_when_opened_then_the_policy_lets_their_style_in(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    answer = page.goto("/docs")
    assert answer is not None
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert page.evaluate("getComputedStyle(document.body).maxWidth") == "1024px"
