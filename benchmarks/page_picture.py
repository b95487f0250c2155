"""Pictures of the page (docs/page.md) and of a report (docs/bundle.md), from a service that runs: the sample, done.

parcela serve &
python benchmarks/page_picture.py --url http://127.0.0.1:8000 --out docs/images
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SIZE = {"width": 1400, "height": 1000}
REPORT = {"width": 1100, "height": 1400}
WORKING_MS = 1_200_000
COLORS = 256  # a picture of a page needs no more


def main() -> None:
    """Take one picture of the list, one of a scan and one of its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=ARGUMENTS)
        page = browser.new_page(viewport=SIZE, locale="en-GB")  # type: ignore[arg-type]
        page.set_default_timeout(WORKING_MS)
        page.goto(given.url)
        page.get_by_label("Fast").check()
        page.get_by_role("button", name="Try the sample brain").click()
        page.locator("li.job.done").wait_for()
        take(page, given.out / "page-list.png")
        page.get_by_role("link", name="Open colin27").first.click()
        page.locator("[data-ready]").wait_for()
        page.get_by_role("button", name="Go to Putamen_L").click()
        page.locator(".here[data-region=Putamen_L]").wait_for()
        take(page, given.out / "page-scan.png")
        with page.expect_popup() as report:
            page.get_by_role("link", name="Report", exact=True).click()
        report.value.set_viewport_size(REPORT)  # type: ignore[arg-type]
        take(report.value, given.out / "report.png")
        browser.close()


def take(page: Page, file: Path) -> None:
    """Write what the window shows."""
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    page.screenshot(path=file, timeout=WORKING_MS)
    Image.open(file).convert("RGB").quantize(COLORS).save(file, optimize=True)


if __name__ == "__main__":
    main()
