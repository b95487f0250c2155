"""A real headless Chromium for the tests of the page, and visits that keep a record of what went wrong.

Without a Chromium the tests that want one are skipped at home, and fail in CI.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from patience import patient
from redis_server import redis_url, shared_redis

__all__ = ["redis_url", "shared_redis"]

# It runs as root, in a container, without a graphics card; ANGLE draws on the processor.
ARGUMENTS = [
    *("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-gpu-compositing", "--disable-gpu-rasterization"),
]
WINDOW = {
    "width": 1000,
    "height": 700,
}  # not larger than need be: every pixel is drawn on the processor
NAMES = ("chromium", "chromium-browser", "google-chrome")
TELL_VIOLATIONS = """addEventListener('securitypolicyviolation', (event) =>
    console.error('policy', event.violatedDirective, event.blockedURI))"""

Visit = Callable[..., Page]

expect.set_options(timeout=patient(10) * 1000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests."""
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: install Debian's package chromium")
        pytest.skip("no Chromium on the PATH")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield launched
        launched.close()


@contextmanager
def visits(browser: Browser) -> Iterator[Visit]:
    """Opens a gateway's page in a window of its own; afterwards nothing may have gone wrong in any of them.

    Wrong is: an error in a script, a violation of the policy, a request to another host.
    """
    wrong: list[str] = []
    contexts = []

    def opened(url: str, **options: Any) -> Page:
        context = browser.new_context(
            **{"base_url": url, "locale": "en-GB", "viewport": WINDOW} | options
        )
        contexts.append(context)
        context.set_default_timeout(patient(10) * 1000)
        context.add_init_script(TELL_VIOLATIONS)

        def watch(route: Route) -> None:
            if not route.request.url.startswith((f"{url}/", "data:", "blob:")):
                wrong.append(f"a request to {route.request.url}")
            route.continue_()

        context.route("**", watch)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if "policy" in m.text.lower() else None)
        page.goto("/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens a gateway's page for one test."""
    with visits(browser) as opened:
        yield opened


@pytest.fixture(scope="module")
def module_visit(browser: Browser) -> Iterator[Visit]:
    """Opens a gateway's page for several tests: a map takes a while to open."""
    with visits(browser) as opened:
        yield opened


@pytest.fixture(scope="session")
def axe(checkout: Path) -> str:
    """The script that looks for what stands in the way of a keyboard or a screen reader."""
    script = checkout / "web" / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        if os.environ.get("CI"):
            pytest.fail("no axe-core: run `npm ci --ignore-scripts` in web/")
        pytest.skip("no axe-core: run `make web`")
    return script.read_text(encoding="utf-8")
