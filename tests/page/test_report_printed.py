"""The report: on paper three pages at most, its text still text, nothing asked of anybody; on a telephone legible."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from atlas_bundle import small_scan
from parcela.atlas.counts import RegionCounts, mean_places
from parcela.bundle.citations import works
from parcela.bundle.manifest import InputRecord, Manifest, Origin
from parcela.bundle.region_table import region_table
from parcela.bundle.report import write_report
from parcela.imaging.geometry import Geometry
from parcela.quality.verdict import BOUNDS, Quality

TELEPHONE = {"width": 390, "height": 844}
SENTENCE = "a sentence about this scan that is as long as the longest of those that a scan may get, and says what to do"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all that can be in one."""
    folder = tmp_path_factory.mktemp("report")
    labels, affine = small_scan().labels, small_scan().affine
    geometry = Geometry.of_grid(labels.shape, affine)
    rows = region_table(RegionCounts.of(labels), mean_places(labels), geometry)
    (folder / "qc.png").write_bytes(small_scan().bundle["qc.png"])
    names = ("grey_mm3", "white_mm3", "csf_mm3")
    manifest = Manifest(
        task="predict",
        software={f"library-{n}": "1.2.3" for n in range(10)},
        parameters={f"setting_number_{n}": "some value" for n in range(25)},
        weights={"unet": "ab" * 32, "highresnet": "cd" * 32},
        warnings=tuple(f"{n}: {SENTENCE}" for n in range(4)),
        input=InputRecord.of("ef" * 32, geometry),
        quality=Quality(verdict="doubtful", numbers={bound.number: 0.123456 for bound in BOUNDS}),
        volumes=dict.fromkeys(("brain_mm3", "etiv_affine_mm3", *names), 1.4e6),
        citations=tuple(works().values()),
        files={"dseg.nii.gz": "01" * 32, "desc-brain_mask.nii.gz": "23" * 32},
    )
    path = folder / "report.html"
    tissues = dict.fromkeys(names, np.linspace(0, 9999, 117))
    write_report(
        path,
        title="sub-01_ses-02_T1w",
        picture=folder / "qc.png",
        rows=rows,
        manifest=manifest,
        origin=Origin("5b40" * 8, 1795476941.6),
        tissue_mm3=tissues,
    )
    return path


@pytest.mark.parametrize(
    ("paper", "language"), [("A4", "en"), ("Letter", "en"), ("A4", "pt"), ("Letter", "es")]
)
def test_given_a_full_report_when_printed_then_it_has_three_pages_of_text_and_asks_for_nothing(
    browser: Browser, report: Path, tmp_path: Path, paper: str, language: str
) -> None:
    asked: list[str] = []
    told: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: told.append(message.text))
    url = f"{report.as_uri()}#{language}"
    page.goto(url)
    shown = page.locator("h2 > span").filter(visible=True)
    assert {text.get_attribute("lang") for text in shown.all()} == {language}
    assert page.evaluate("scrollY") == 0
    printed = page.pdf(format=paper, prefer_css_page_size=True, print_background=True)
    fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()

    assert fits
    assert told == []  # a violation of the policy among them
    assert [url for url in asked if not url.startswith("data:image/png")] == [report.as_uri()]
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 3
    assert b"/ToUnicode" in printed  # text that can be searched, not a picture of it


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"viewport": TELEPHONE}], ids=str)
def test_given_a_report_when_axe_looks_then_nothing_serious_stands_in_the_way(
    browser: Browser, report: Path, axe: str, options: Any
) -> None:
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(report.as_uri())
    page.evaluate(axe)
    violations = page.evaluate("axe.run()")["violations"]
    fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()

    assert [rule["id"] for rule in violations if rule["impact"] in ("serious", "critical")] == []
    assert fits
