"""Who is let in: keys, names, pages of other sites; and that nobody sees another's job."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_server import SCAN, Gateway, gateway_process
from parcela.jobs.keys import tombstone_key
from parcela.settings import Settings
from parcela.store.store import read
from parcela_gateway.keys import Keys, KeysMissing, is_loopback

Start = Callable[..., Gateway]
ALICE, BOB = "a" * 32, "b" * 32
PATHS = ("", "/events", "/result", "/files", "/files/dseg.tsv", "/bundle.zip", "/scan")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "192.168.1.7", "::", "parcela.example.org", "10.0.0.1"]
)
def test_given_others_reach_it_and_no_keys_when_started_then_it_refuses(address: str) -> None:
    for settings in (Settings(published=address), Settings(host=address)):
        with pytest.raises(KeysMissing, match="set PARCELA_API_KEYS"):
            Keys.of(settings)
    assert Keys.of(Settings(published=address, api_keys=ALICE)).needed


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9"])
def test_given_only_this_computer_reaches_it_then_no_keys_are_needed(address: str) -> None:
    assert is_loopback(address)
    assert not Keys.of(Settings(host="0.0.0.0", published=address)).needed


def test_given_a_key_that_can_be_guessed_when_started_then_it_refuses() -> None:
    with pytest.raises(KeysMissing, match="shorter than 16"):
        Keys.of(Settings(api_keys=f"{ALICE},secret"))


def test_given_a_file_of_keys_when_started_then_each_line_is_one(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# Alice\n{ALICE}\n\n{BOB}\n")
    assert Keys.of(Settings(api_keys_file=file)) == Keys.of(Settings(api_keys=f"{ALICE}, {BOB}"))
    with pytest.raises(KeysMissing, match="cannot be read"):
        Keys.of(Settings(api_keys_file=tmp_path / "none"))


@pytest.mark.parametrize(
    "headers", [{}, bearer("c" * 32), {"Authorization": f"Basic {ALICE}"}, bearer("é")]
)
def test_given_keys_when_none_of_them_comes_then_it_is_401(
    start: Start, headers: dict[str, str]
) -> None:
    gateway = start(api_keys=ALICE)
    sent = {name: value.encode() for name, value in headers.items()}
    for path in ("/jobs", "/jobs/" + "0" * 32, "/models", "/metrics"):
        response = gateway.http.get(path, headers=sent)  # type: ignore[arg-type]
        assert (response.status_code, response.json()["type"]) == (401, "/docs#no-key")
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert gateway.submit(headers=sent).status_code == 401
    assert gateway.stored() == []
    assert gateway.http.get("/healthz").status_code == 200


def test_given_two_callers_when_one_has_a_job_then_the_other_never_sees_it(start: Start) -> None:
    gateway = start(api_keys=f"{ALICE},{BOB}")
    job_id = gateway.done(headers=bearer(ALICE))
    for path in PATHS:
        response = gateway.http.get(f"/jobs/{job_id}{path}", headers=bearer(BOB))
        assert (response.status_code, response.json()["type"]) == (404, "/docs#no-such-job")
    assert gateway.http.delete(f"/jobs/{job_id}", headers=bearer(BOB)).status_code == 404
    assert gateway.http.get("/jobs", headers=bearer(BOB)).json() == {"jobs": []}
    for headers in (bearer(ALICE), {"X-API-Key": ALICE}):
        assert gateway.http.get(f"/jobs/{job_id}/result", headers=headers).status_code == 200


def test_given_two_callers_with_one_idempotency_key_then_they_have_two_jobs(start: Start) -> None:
    gateway = start(api_keys=f"{ALICE},{BOB}")
    key = {"Idempotency-Key": "visit 7"}
    assert gateway.accepted(headers=key | bearer(ALICE)) != gateway.accepted(
        headers=key | bearer(BOB)
    )


def test_given_a_job_then_no_key_is_in_the_store(start: Start) -> None:
    gateway = start(api_keys=ALICE)
    gateway.accepted(headers=bearer(ALICE))
    for key in gateway.stored():
        with gateway.store.open(key) as file:
            assert ALICE.encode() not in file.read()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST", 200),
        ("scans.example.org", 200),
        ("evil.example.org", 421),
        ("localhost.evil.example.org", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_given_no_keys_when_called_by_another_name_then_it_is_refused(
    start: Start, host: str, status: int
) -> None:
    gateway = start(allowed_hosts="scans.example.org")
    assert gateway.http.get("/jobs", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Origin": "HERE", "Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "none"}, 202),
        ({"Origin": "https://evil.example.org"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 403),
    ],
)
def test_given_no_keys_when_a_page_of_another_site_sends_then_it_is_refused(
    gateway: Gateway, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.replace("HERE", gateway.url) for name, value in headers.items()}
    response = gateway.submit(headers=sent)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("application/")
    assert bool(gateway.stored()) == (status == 202)


def test_given_a_link_on_another_site_when_followed_then_the_page_is_shown(
    gateway: Gateway,
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert gateway.http.get("/", headers=headers).status_code == 200
    headers["Sec-Fetch-Mode"] = "no-cors"
    assert gateway.http.get("/jobs", headers=headers).status_code == 403


def test_given_requests_when_logged_then_no_name_and_no_query_is_told(
    redis_url: str, tmp_path: Path
) -> None:
    with gateway_process(redis_url, tmp_path / "store") as process:
        http = process.http
        scan = {"file": ("JaneDoe.nii.gz", SCAN)}
        job_id = http.post("/predict/?model=both", files=scan).json()["id"]
        http.post("/predict/", files={"file": ("JaneDoe.nii", b"rubbish JaneDoe")})
        http.get(f"/jobs/{job_id}/files/JaneDoe.nii.gz?key=secret")
        http.get("/JaneDoe")
        http.request("JANEDOE", "/")
    text = process.log.read_text()
    assert not re.search("Jane|JANE|secret|model=both", text)
    lines = [json.loads(line) for line in text.splitlines()]
    routes = [line["route"] for line in lines if "route" in line]
    assert set(routes) == {"/predict/", "/jobs/{job_id}/files/{name}", "none", "/"}
    assert job_id in {line.get("job") for line in lines}


def test_given_anothers_deleted_job_when_asked_for_then_it_does_not_exist_and_stays_as_it_was(
    start: Start,
) -> None:
    gateway = start(api_keys=f"{ALICE},{BOB}")
    deleted, other = (gateway.accepted(headers=bearer(ALICE)) for _ in range(2))
    for job_id in (deleted, other):
        assert gateway.http.delete(f"/jobs/{job_id}", headers=bearer(ALICE)).status_code == 204
    before = [(s.key, s.etag) for s in gateway.store.list()]
    for path in PATHS:
        response = gateway.http.get(f"/jobs/{deleted}{path}", headers=bearer(BOB))
        assert (response.status_code, response.json()["type"]) == (404, "/docs#no-such-job")
    assert gateway.http.delete(f"/jobs/{deleted}", headers=bearer(BOB)).status_code == 404
    assert [(s.key, s.etag) for s in gateway.store.list()] == before
    assert gateway.http.get(f"/jobs/{deleted}", headers=bearer(ALICE)).status_code == 410
    marks = {json.loads(read(gateway.store, key))["mark"] for key, _ in before}
    assert len(marks) == 2  # nothing ties one owner's tombstones together


def test_given_a_tombstone_of_an_older_release_when_asked_for_then_it_is_gone(
    gateway: Gateway,
) -> None:
    job_id = gateway.accepted()
    gateway.http.delete(f"/jobs/{job_id}")
    stone = {"deleted": time.time()}
    gateway.store.put(tombstone_key(job_id), json.dumps(stone).encode())
    assert gateway.http.get(f"/jobs/{job_id}").status_code == 410
