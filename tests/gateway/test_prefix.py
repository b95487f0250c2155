"""Behind a proxy that publishes the gateway under a path: links lead back through it, and only such a proxy says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway_server import Gateway

PREFIX = {"X-Forwarded-Prefix": "/tools/parcela"}


def test_given_a_proxys_prefix_then_every_link_has_it(gateway: Gateway) -> None:
    response = gateway.submit(headers=PREFIX)
    job = response.json()
    here = f"/tools/parcela/jobs/{job['id']}"
    assert response.headers["location"] == job["links"]["self"] == here
    done = gateway.done()
    files = gateway.http.get(f"/jobs/{done}/files", headers=PREFIX).json()["files"]
    assert all(file["href"].startswith(f"/tools/parcela/jobs/{done}/files/") for file in files)
    listed = gateway.http.get("/jobs", headers=PREFIX).json()["jobs"]
    links = [link for job in listed for link in job["links"].values()]
    assert all(link.startswith("/tools/parcela/jobs/") for link in links)
    assert (
        gateway.http.get("/none", headers=PREFIX).json()["type"].startswith("/tools/parcela/docs")
    )
    assert "/tools/parcela/predict/" in gateway.http.get("/", headers=PREFIX).text
    servers = gateway.http.get("/openapi.json", headers=PREFIX).json()["servers"]
    assert servers == [{"url": "/tools/parcela"}]


def test_given_a_prefix_that_is_like_a_route_then_the_route_is_still_found(
    gateway: Gateway,
) -> None:
    job = gateway.accepted()
    found = gateway.http.get(f"/jobs/{job}", headers={"X-Forwarded-Prefix": "/jobs/"})
    assert found.json()["links"]["self"] == f"/jobs/jobs/{job}"


def test_given_one_request_with_a_prefix_then_the_next_one_has_none(gateway: Gateway) -> None:
    job = gateway.accepted(headers=PREFIX)
    assert gateway.http.get(f"/jobs/{job}").json()["links"]["self"] == f"/jobs/{job}"


@pytest.mark.parametrize(
    "prefix", ["", "/", "tools", "//evil.org", "/a b", "https://evil.org", "/a?b", "/é", "/a, /b"]
)
def test_given_a_prefix_that_is_no_path_then_it_is_read_over(
    standing: Gateway, prefix: str
) -> None:
    headers = {b"X-Forwarded-Prefix": prefix.encode()}
    found = standing.http.get("/none", headers=headers)
    assert found.json()["type"] == "/docs#not-found"


def test_given_a_caller_that_is_no_trusted_proxy_then_its_prefix_is_read_over(
    start: Callable[[], Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.1")
    gateway = start()
    assert gateway.submit(headers=PREFIX).json()["links"]["self"].startswith("/jobs/")
