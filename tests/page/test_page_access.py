"""Two people with keys: each signs in, sees her own scans alone, and signs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gateway_server import Gateway, serving
from parcela.settings import Settings
from parcela_gateway.keys import COOKIE
from redis_server import RedisServer

Visit = Callable[..., Page]
ALICE, BOB = "a" * 32, "b" * 32


@pytest.fixture(scope="module")
def shared(
    shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with a key for each of two."""
    store: Path = tmp_path_factory.mktemp("shared") / "store"
    settings = Settings(redis=shared_redis.url, store=str(store), api_keys=f"{ALICE},{BOB}")
    with serving(settings) as running:
        yield running


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_given_two_with_keys_when_signed_in_then_each_sees_her_own_scans(
    visit: Visit, shared: Gateway
) -> None:
    job_id = shared.accepted(headers={"Authorization": f"Bearer {ALICE}"})
    alice, bob = visit(shared.url), visit(shared.url)
    sign_in(alice, ALICE)
    sign_in(bob, BOB)
    expect(alice.locator(f"[data-job='{job_id}']")).to_be_visible()
    expect(bob.get_by_text("Nothing yet")).to_be_visible()
    bob.goto(f"/#/jobs/{job_id}")
    expect(bob.get_by_text("There is no such scan")).to_be_visible()
    (cookie,) = alice.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")
    assert ALICE not in cookie["value"]
    alice.reload()
    expect(alice.locator(f"[data-job='{job_id}']")).to_be_visible()


def test_given_a_wrong_key_then_it_is_said_and_nothing_is_shown(
    visit: Visit, shared: Gateway
) -> None:
    page = visit(shared.url)
    sign_in(page, "c" * 32)
    expect(page.get_by_role("alert")).to_have_text("This key is not known here.")
    assert page.context.cookies() == []
    expect(page.get_by_role("heading", name="Your scans")).to_have_count(0)


def test_given_one_signed_in_when_signed_out_then_the_scans_are_gone_from_sight(
    visit: Visit, shared: Gateway
) -> None:
    page = visit(shared.url)
    sign_in(page, ALICE)
    expect(page.get_by_role("heading", name="Your scans")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Key")).to_be_visible()
    expect(page.get_by_role("heading", name="Your scans")).to_have_count(0)
    assert page.context.cookies() == []
