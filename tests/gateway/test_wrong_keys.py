"""Keys cannot be guessed at leisure, and a neighbour's guesses lock nobody out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway_server import Gateway
from parcela_gateway.budgets import wrong_keys

Start = Callable[..., Gateway]
ALICE, BOB = "a" * 32, "b" * 32


def ask(gateway: Gateway, key: str, path: str = "/jobs") -> int:
    method = "POST" if path == "/session" else "GET"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    response = gateway.http.request(method, path, headers=headers)
    if response.status_code == 429:
        assert response.json()["type"] == "/docs#too-many-wrong-keys"
        assert 0 < int(response.headers["retry-after"]) <= 61
    return response.status_code


@pytest.mark.parametrize("path", ["/jobs", "/session"])
def test_given_wrong_keys_from_one_address_then_it_waits_though_the_next_is_right(
    start: Start, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    gateway = start(api_keys=f"{ALICE},{BOB}", wrong_keys=3)
    assert ask(gateway, ALICE) == 200
    assert [ask(gateway, f"guess {n}", path) for n in range(5)] == [401, 401, 401, 429, 429]
    assert ask(gateway, BOB, path) == 429
    assert ask(gateway, ALICE) == 200  # known from there before
    assert ask(gateway, "") == 401  # no key is no guess
    monkeypatch.setattr(wrong_keys, "WINDOW_S", 0.0)
    assert ask(gateway, BOB) == 200


def test_given_requests_without_a_key_then_they_are_no_guesses(start: Start) -> None:
    gateway = start(api_keys=ALICE, wrong_keys=1)
    assert {ask(gateway, "") for _ in range(5)} == {401}
    assert ask(gateway, ALICE) == 200
