"""The documentation at `/docs/guide`: served where it was built, and a page that says where it is where it was not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway_server import Gateway
from parcela_gateway.page import guide


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The smallest site, in the place of the one that `make docs` builds."""
    folder = tmp_path / "guide"
    (folder / "reference").mkdir(parents=True)
    (folder / "index.html").write_text("<title>start</title>")
    (folder / "reference" / "api.html").write_text("<title>API</title>")
    (tmp_path / "secret.html").write_text("outside")
    monkeypatch.setattr(guide, "GUIDE", folder)
    return folder


def test_given_a_built_site_then_its_pages_are_served_under_a_strict_policy(
    standing: Gateway, site: Path
) -> None:
    for path in ("/docs/guide/", "/docs/guide/index.html", "/docs/guide/reference/api.html"):
        answer = standing.http.get(path)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (
            200,
            "text/html",
        )
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
    assert standing.http.head("/docs/guide/").status_code == 200


def test_given_a_built_site_when_its_address_lacks_the_slash_then_it_is_sent_there(
    standing: Gateway, site: Path
) -> None:
    answer = standing.http.get("/docs/guide", headers={"X-Forwarded-Prefix": "/tools/parcela"})
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("/tools/parcela/docs/guide/")
    assert standing.http.get("/docs/guide", follow_redirects=True).text == "<title>start</title>"


@pytest.mark.parametrize(
    "path", ["none.html", "../secret.html", "%2e%2e/secret.html", "..%2fsecret.html", "a\0b"]
)
def test_given_a_path_that_the_site_lacks_then_it_is_not_found(
    standing: Gateway, site: Path, path: str
) -> None:
    answer = standing.http.get(f"/docs/guide/{path}".replace("\0", "%00"))
    assert answer.status_code == 404, answer.text
    assert "outside" not in answer.text


@pytest.fixture
def none_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `parcela serve` has it in a checkout where nobody ran `make docs`."""
    monkeypatch.setattr(guide, "GUIDE", tmp_path / "none")


def test_given_no_built_site_then_a_page_says_where_the_documentation_is(
    standing: Gateway, none_built: None, checkout: Path
) -> None:
    answer = standing.http.get("/docs/guide", follow_redirects=True)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "make docs" in answer.text
    named = re.findall(r"<code>(docs/\S+\.md)</code>", answer.text)
    assert "docs/index.md" in named
    assert [name for name in named if not (checkout / name).is_file()] == []
    for path in (standing.url + "/", standing.url + "/docs"):
        assert f'href="{path}"' in answer.text
        assert standing.http.get(path).status_code == 200


def test_given_no_built_site_when_a_page_of_it_is_asked_for_then_it_is_not_found(
    standing: Gateway, none_built: None
) -> None:
    answer = standing.http.get("/docs/guide/command.html")
    assert answer.status_code == 404
    assert "/docs/guide/" in answer.json()["detail"]
