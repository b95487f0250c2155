"""Signing in and out with a browser: a cookie in place of the key, and that no other page can use it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from gateway_server import Gateway
from parcela_gateway import keys as gateway_keys
from parcela_gateway.keys import COOKIE, SESSION_S

Start = Callable[..., Gateway]
ALICE, BOB = "a" * 32, "b" * 32


def sign_in(gateway: Gateway, key: str = ALICE) -> str:
    """The cookie of one who has signed in, which the client then sends by itself."""
    answer = gateway.http.post("/session", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 204, answer.text
    return str(answer.headers["set-cookie"])


def test_given_keys_when_signed_in_then_the_cookie_does_what_the_key_does(start: Start) -> None:
    gateway = start(api_keys=f"{ALICE},{BOB}")
    assert gateway.http.get("/jobs").status_code == 401
    cookie = sign_in(gateway)
    assert ALICE not in cookie
    for part in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={SESSION_S}"):
        assert part in cookie
    job_id = gateway.done()
    assert gateway.http.get(f"/jobs/{job_id}/bundle.zip").status_code == 200
    bob = {
        "Authorization": f"Bearer {BOB}"
    }  # a key given in so many words counts before the cookie
    assert gateway.http.get(f"/jobs/{job_id}", headers=bob).status_code == 404
    gateway.http.delete("/session")
    assert gateway.http.get("/jobs").status_code == 401


def test_given_a_wrong_key_when_signing_in_then_no_cookie_comes(start: Start) -> None:
    gateway = start(api_keys=ALICE)
    answer = gateway.http.post("/session", headers={"Authorization": f"Bearer {BOB}"})
    assert (answer.status_code, answer.json()["type"]) == (401, "/docs#no-key")
    assert "set-cookie" not in answer.headers


def test_given_a_session_when_its_time_is_over_then_it_is_no_key(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = start(api_keys=ALICE)
    sign_in(gateway)
    over = time.time() + SESSION_S + 1
    monkeypatch.setattr(gateway_keys.time, "time", lambda: over)  # type: ignore[attr-defined]
    assert gateway.http.get("/jobs").status_code == 401


def test_given_a_session_when_its_key_is_taken_away_then_it_is_no_key(start: Start) -> None:
    gateway = start(api_keys=ALICE)
    sign_in(gateway)
    cookie = {"Cookie": f"{COOKIE}={gateway.http.cookies[COOKIE]}"}
    again, without = start(api_keys=ALICE), start(api_keys=BOB)
    assert again.http.get("/jobs", headers=cookie).status_code == 200  # another gateway, or a later
    assert without.http.get("/jobs", headers=cookie).status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "1.", "9999999999.0", "9999999999", "²."])
def test_given_a_cookie_of_nobody_then_it_is_no_key(start: Start, cookie: str) -> None:
    headers = {"Cookie": f"{COOKIE}={cookie}".encode()}
    gateway = start(api_keys=f"{ALICE},{BOB}")
    assert gateway.http.get("/jobs", headers=headers).status_code == 401  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://outside.the.proxy"}, 204),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
    ],
)
def test_given_a_session_when_another_page_uses_it_then_it_is_refused(
    start: Start, headers: dict[str, str], status: int
) -> None:
    gateway = start(api_keys=ALICE)
    sign_in(gateway)
    job_id = gateway.accepted()
    assert gateway.http.delete(f"/jobs/{job_id}", headers=headers).status_code == status
    bearer = {"Authorization": f"Bearer {ALICE}"}
    gateway.http.cookies.clear()
    assert gateway.http.get(f"/jobs/{job_id}", headers=headers | bearer).status_code != 403


def test_given_a_proxy_with_tls_when_signed_in_then_the_cookie_is_its_own_and_secure(
    start: Start,
) -> None:
    gateway = start(api_keys=ALICE)
    proxy = {"X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/brains"}
    answer = gateway.http.post("/session", headers=proxy | {"Authorization": f"Bearer {ALICE}"})
    assert "Secure" in answer.headers["set-cookie"]
    assert "Path=/brains/" in answer.headers["set-cookie"]


def test_given_no_keys_when_signing_in_then_none_is_needed(gateway: Gateway) -> None:
    answer = gateway.http.post("/session")
    assert (answer.status_code, answer.headers.get("set-cookie")) == (204, None)


def test_when_asked_what_this_installation_is_then_it_says_so_without_a_key(start: Start) -> None:
    gateway = start(api_keys=ALICE, retention_days=3)
    told = gateway.http.get("/installation").json()
    assert told["version"]
    assert {name: told[name] for name in ("keys", "retention_days", "store")} == {
        "keys": True,
        "retention_days": 3,
        "store": "folder",
    }
