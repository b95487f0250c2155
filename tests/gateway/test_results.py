"""Files, ranges and archives: what a finished job gives out."""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import b64encode

import pytest

from gateway_server import BUNDLE, MAP, Gateway
from parcela.jobs.keys import stage_key
from parcela.store.checksums import SUMS
from parcela.store.store import read


@pytest.fixture
def here(gateway: Gateway) -> str:
    """The path of a job that is done."""
    return f"/jobs/{gateway.done()}"


def test_given_a_done_job_then_each_of_its_files_is_there(gateway: Gateway, here: str) -> None:
    files = gateway.http.get(f"{here}/files").json()["files"]
    assert {file["name"] for file in files} == set(BUNDLE)
    for file in files:
        response = gateway.http.get(file["href"])
        assert response.content == BUNDLE[file["name"]]
        assert response.headers["etag"] == f'"{file["etag"]}"'
        assert int(response.headers["content-length"]) == file["size"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in response.headers["content-security-policy"]
    assert (
        gateway.http.get(f"{here}/files/report.html")
        .headers["content-type"]
        .startswith("text/html")
    )


def test_given_a_flipped_bit_when_fetched_then_it_is_a_problem_and_not_a_result(
    gateway: Gateway, here: str
) -> None:
    key = next(stored.key for stored in gateway.store.list() if stored.key.endswith("dseg.nii.gz"))
    gateway.store.put(key, MAP[:50] + bytes([MAP[50] ^ 1]) + MAP[51:])
    for path in ("result", "files/dseg.nii.gz", "bundle.zip"):
        response = gateway.http.get(f"{here}/{path}")
        assert (response.status_code, response.json()["type"]) == (500, "/docs#damaged-file")
        assert "dseg.nii.gz is damaged" in response.json()["detail"]
    assert gateway.http.get(f"{here}/files/dseg.tsv").content == BUNDLE["dseg.tsv"]

    gateway.store.delete(key)
    for path in ("result", "files", "bundle.zip"):
        assert gateway.http.get(f"{here}/{path}").json()["type"] == "/docs#damaged-file"


def test_given_an_older_release_that_left_no_hashes_when_fetched_then_its_files_come(
    gateway: Gateway, here: str
) -> None:
    gateway.store.delete(
        next(stored.key for stored in gateway.store.list() if stored.key.endswith(SUMS))
    )
    response = gateway.http.get(f"{here}/result")
    assert response.content == MAP
    assert "repr-digest" not in response.headers


def test_given_a_file_when_fetched_then_its_hash_comes_along(gateway: Gateway, here: str) -> None:
    told = gateway.http.get(f"{here}/result").headers["repr-digest"]
    assert told == f"sha-256=:{b64encode(hashlib.sha256(MAP).digest()).decode()}:"


def test_given_a_job_when_its_scan_is_asked_for_then_it_comes_as_it_is_stored(
    gateway: Gateway,
) -> None:
    here = f"/jobs/{gateway.accepted()}"
    (key,) = [stored.key for stored in gateway.store.list() if stored.key.endswith("scan.nii.gz")]
    answer = gateway.http.get(f"{here}/scan")
    assert answer.content == read(gateway.store, key)
    told = b64encode(hashlib.sha256(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{told}:"
    gateway.store.put(key, b"x")
    assert gateway.http.get(f"{here}/scan").json()["type"] == "/docs#damaged-file"
    gateway.store.delete(key)
    assert gateway.http.get(f"{here}/scan").json()["type"] == "/docs#no-result"


def test_given_a_report_when_opened_in_a_browser_then_it_is_shown_and_a_map_is_saved(
    gateway: Gateway, here: str
) -> None:
    for name, how in (("report.html", "inline"), ("dseg.nii.gz", "attachment")):
        headers = gateway.http.get(f"{here}/files/{name}").headers
        assert headers["content-disposition"] == f'{how}; filename="{name}"'


@pytest.mark.parametrize("name", ["none.txt", "..%2f..%2frequest.json", "%00", "dseg", "a" * 3000])
def test_given_another_name_when_asked_for_then_it_is_404(
    gateway: Gateway, here: str, name: str
) -> None:
    response = gateway.http.get(f"{here}/files/{name}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_given_a_job_that_is_not_done_when_its_result_is_asked_for_then_it_says_so(
    gateway: Gateway,
) -> None:
    job_id = gateway.accepted()
    for path in ("result", "files", "files/dseg.tsv", "bundle.zip"):
        response = gateway.http.get(f"/jobs/{job_id}/{path}")
        assert (response.status_code, response.json()["type"]) == (409, "/docs#no-result")
        assert "queued" in response.json()["detail"]
        assert response.headers["retry-after"]


@pytest.mark.parametrize(
    ("asked", "first", "past"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, len(MAP)),
        ("bytes=-7", len(MAP) - 7, len(MAP)),
        (f"bytes=5-{10**9}", 5, len(MAP)),
        (f"bytes=-{10**9}", 0, len(MAP)),
    ],
)
def test_given_a_range_when_asked_for_then_it_is_that(
    gateway: Gateway, here: str, asked: str, first: int, past: int
) -> None:
    response = gateway.http.get(f"{here}/result", headers={"Range": asked})
    assert (response.status_code, response.content) == (206, MAP[first:past])
    assert response.headers["content-range"] == f"bytes {first}-{past - 1}/{len(MAP)}"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=9-2", "lines=1-2", "bytes=-", "bytes=x-"]
)
def test_given_a_range_that_is_not_one_when_asked_for_then_all_comes(
    gateway: Gateway, here: str, asked: str
) -> None:
    response = gateway.http.get(f"{here}/result", headers={"Range": asked})
    assert (response.status_code, response.content) == (200, MAP)


@pytest.mark.parametrize("asked", [f"bytes={len(MAP)}-", "bytes=-0"])
def test_given_a_range_behind_the_end_when_asked_for_then_it_is_416(
    gateway: Gateway, here: str, asked: str
) -> None:
    response = gateway.http.get(f"{here}/result", headers={"Range": asked})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(MAP)}"


@pytest.mark.parametrize("path", ["result", "bundle.zip", "files/dseg.tsv"])
def test_given_an_etag_when_sent_back_then_what_is_known_is_not_sent_again(
    gateway: Gateway, here: str, path: str
) -> None:
    first = gateway.http.get(f"{here}/{path}")
    etag = first.headers["etag"]
    assert etag.startswith('"')
    for sent in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        response = gateway.http.get(f"{here}/{path}", headers={"If-None-Match": sent})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    headers = {"Range": "bytes=1-2", "If-Range": etag}
    assert gateway.http.get(f"{here}/{path}", headers=headers).content == first.content[1:3]
    headers["If-Range"] = '"another"'
    assert gateway.http.get(f"{here}/{path}", headers=headers).content == first.content


@pytest.mark.parametrize("path", ["result", "bundle.zip", "files/dseg.tsv"])
def test_given_head_when_asked_then_it_says_what_get_would(
    gateway: Gateway, here: str, path: str
) -> None:
    head, get = gateway.http.head(f"{here}/{path}"), gateway.http.get(f"{here}/{path}")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type"):
        assert head.headers[name] == get.headers[name]


def test_given_a_bundle_when_fetched_then_it_holds_every_file_whole(
    gateway: Gateway, here: str
) -> None:
    response = gateway.http.get(f"{here}/bundle.zip")
    assert int(response.headers["content-length"]) == len(response.content)
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    folder = f"parcela-{here.rsplit('/', 1)[1]}"  # unpacked, nothing lands among other files
    assert files == {f"{folder}/{name}": content for name, content in BUNDLE.items()}


def test_given_a_bundle_when_fetched_in_ranges_then_they_make_up_the_whole(
    gateway: Gateway, here: str
) -> None:
    whole = gateway.http.get(f"{here}/bundle.zip").content
    parts = [
        gateway.http.get(f"{here}/bundle.zip", headers={"Range": f"bytes={n}-{n + 99}"}).content
        for n in range(0, len(whole), 100)
    ]
    assert b"".join(parts) == whole


def test_given_a_file_of_a_losing_attempt_when_fetched_then_it_is_not_in_the_bundle(
    gateway: Gateway,
) -> None:
    job_id = gateway.done()
    gateway.store.put(stage_key(job_id, "inference", "f" * 32, "dseg.nii.gz"), b"a loser's")
    assert gateway.http.get(f"/jobs/{job_id}/result").content == MAP
    assert len(gateway.http.get(f"/jobs/{job_id}/files").json()["files"]) == len(BUNDLE)
