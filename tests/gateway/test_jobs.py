"""From a scan to its result, as a client sees it."""

from __future__ import annotations

import gzip
import hashlib
import json
import time

import pytest

from gateway_server import MAP, SCAN, Gateway, fail_once, work_once, working
from parcela.jobs.job_files import read_request
from parcela.jobs.keys import outcome_key, request_key, scan_key, tombstone_key
from parcela.jobs.records import JobRequest, Outcome, is_id, new_id
from parcela.options import LabelOptions, PredictOptions
from parcela_gateway.jobs import REMEMBERED_S


def test_given_a_scan_when_submitted_then_its_job_waits_and_its_files_are_in_the_store(
    gateway: Gateway,
) -> None:
    response = gateway.submit()
    job = response.json()
    assert (response.status_code, response.headers["location"]) == (202, f"/jobs/{job['id']}")
    assert is_id(job["id"])
    assert (job["status"], job["stage"], job["waiting"], job["problem"]) == (
        "queued",
        "preprocess",
        True,
        None,
    )
    upload = read_request(gateway.store, job["id"]).upload
    assert gateway.stored() == [request_key(job["id"]), scan_key(job["id"], upload)]
    assert gateway.service.doorbell.bells("preprocess") >= 1


def test_given_a_scan_when_submitted_then_the_request_tells_of_the_bytes_received(
    gateway: Gateway,
) -> None:
    job_id = gateway.accepted()
    with gateway.store.open(request_key(job_id)) as file:
        request = JobRequest.from_json(file.read())
    assert (request.sha256, request.size) == (hashlib.sha256(SCAN).hexdigest(), len(SCAN))
    assert (request.id, request.owner, request.options) == (job_id, "local", PredictOptions())


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", PredictOptions()),
        ("model=&preprocessing=true", PredictOptions()),
        (
            "model=highresnet&preprocess=false",
            PredictOptions(model="highresnet", preprocess=False),
        ),
        (
            "model=both&preprocessing=false&skull_strip=deepbet&space=model",
            PredictOptions(model="both", preprocess=False, skull_strip="deepbet", space="model"),
        ),
        ("preprocess=true&preprocessing=true", PredictOptions()),
    ],
)
def test_given_a_query_when_submitted_then_the_job_has_its_options(
    gateway: Gateway, query: str, options: PredictOptions
) -> None:
    job_id = gateway.accepted(path=f"/predict/?{query}")
    with gateway.store.open(request_key(job_id)) as file:
        assert JobRequest.from_json(file.read()).options == options


def test_given_no_slash_at_the_end_when_submitted_then_it_is_the_same(gateway: Gateway) -> None:
    assert gateway.submit(path="/predict?model=both").status_code == 202


def test_given_a_labelling_job_when_submitted_then_it_has_a_preset(gateway: Gateway) -> None:
    response = gateway.submit(path="/label/?preset=thesis")
    assert response.json()["kind"] == "label"
    with gateway.store.open(request_key(response.json()["id"])) as file:
        assert JobRequest.from_json(file.read()).options == LabelOptions(preset="thesis")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "/predict/?model=vgg",
            "query model: Input should be 'unet', 'highresnet', 'warp' or 'both'",
        ),
        ("/predict/?modle=unet", "query modle: Extra inputs are not permitted"),
        ("/predict/?preset=thesis", "query preset: Extra"),
        ("/label/?model=unet", "query model: Extra"),
    ],
)
def test_given_a_bad_query_when_submitted_then_it_is_refused_in_a_sentence(
    standing: Gateway, path: str, words: str
) -> None:
    response = standing.submit(path=path)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert words in response.json()["detail"]
    assert standing.stored() == []


def test_given_two_names_that_disagree_when_submitted_then_it_is_refused(standing: Gateway) -> None:
    response = standing.submit(path="/predict/?preprocess=true&preprocessing=false")
    assert (response.status_code, response.json()["type"]) == (400, "/docs#bad-request")


def test_given_a_worker_when_polled_then_the_job_moves_on_to_done(gateway: Gateway) -> None:
    job_id = gateway.accepted()
    seen = [gateway.http.get(f"/jobs/{job_id}").json()]
    while work_once(gateway.ledger, gateway.store) is not None:
        seen.append(gateway.http.get(f"/jobs/{job_id}").json())
    assert [job["status"] for job in seen] == ["queued", "parcellating", "done"]
    assert [job["progress"] for job in seen] == [0, 0.5, 1]
    assert "result" not in seen[1]["links"]
    assert gateway.http.get(seen[2]["links"]["result"]).content == MAP


def test_given_gzip_is_asked_for_when_done_then_the_map_is_the_answer(gateway: Gateway) -> None:
    with working(gateway, stages=2):
        response = gateway.submit(headers={"Accept": "application/gzip"})
    assert (response.status_code, response.content) == (200, MAP)
    assert response.headers["content-type"] == "application/gzip"
    assert is_id(response.headers["location"].removeprefix("/jobs/"))


def test_given_gzip_is_asked_for_when_the_job_fails_then_its_problem_is_the_answer(
    gateway: Gateway,
) -> None:
    key = {"Accept": "application/gzip", "Idempotency-Key": "visit 7"}
    gateway.accepted(headers={"Idempotency-Key": "visit 7"})
    fail_once(gateway.ledger)
    response = gateway.submit(headers=key)
    assert (response.status_code, response.json()["type"]) == (500, "/docs#step-failed")
    assert response.json()["job"] == response.headers["location"]
    assert "no brain" in response.json()["detail"]


def test_given_a_failed_job_when_polled_then_the_document_says_why(gateway: Gateway) -> None:
    job_id = gateway.accepted()
    fail_once(gateway.ledger)
    job = gateway.http.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["problem"]["type"]) == ("failed", "/docs#step-failed")
    result = gateway.http.get(f"/jobs/{job_id}/result")
    assert (result.status_code, result.json()["type"]) == (409, "/docs#no-result")
    assert "no brain" in result.json()["detail"]


def test_given_jobs_when_listed_then_the_newest_comes_first(gateway: Gateway) -> None:
    ids = [gateway.accepted() for _ in range(3)]
    assert [job["id"] for job in gateway.http.get("/jobs").json()["jobs"]] == ids[::-1]
    assert len(gateway.http.get("/jobs?limit=2").json()["jobs"]) == 2


def test_given_a_job_when_deleted_then_nothing_is_left_but_an_anonymous_tombstone(
    gateway: Gateway,
) -> None:
    job_id = gateway.done()
    assert gateway.http.delete(f"/jobs/{job_id}").status_code == 204
    assert gateway.stored() == [tombstone_key(job_id)]
    with gateway.store.open(tombstone_key(job_id)) as file:
        stone = json.load(file)
        assert list(stone) == ["deleted", "mark"]
        assert "local" not in stone["mark"]
    for path in ("", "/events", "/result", "/files", "/files/dseg.tsv", "/bundle.zip"):
        response = gateway.http.get(f"/jobs/{job_id}{path}")
        assert (response.status_code, response.json()["type"]) == (410, "/docs#job-deleted")
    assert gateway.http.delete(f"/jobs/{job_id}").status_code == 204
    assert gateway.http.get("/jobs").json() == {"jobs": []}


def test_given_a_job_deleted_long_ago_when_polled_then_it_is_unknown(gateway: Gateway) -> None:
    job_id = new_id()
    deleted = time.time() - REMEMBERED_S - 1
    gateway.store.put(tombstone_key(job_id), json.dumps({"deleted": deleted}).encode())
    assert gateway.http.get(f"/jobs/{job_id}").status_code == 404
    assert gateway.http.delete(f"/jobs/{job_id}").status_code == 404


def test_given_a_running_job_when_deleted_then_its_worker_has_lost_it(gateway: Gateway) -> None:
    job_id = gateway.accepted()
    claim = gateway.ledger.claim("preprocess", "stub", 30)
    assert claim is not None
    gateway.http.delete(f"/jobs/{job_id}")
    assert gateway.ledger.renew(claim, 30, "n4", 0.2) == "lost"


@pytest.mark.parametrize("job_id", ["0" * 32, "x", "%2e%2e%2fjobs", "A" * 32, "0" * 31 + "%00"])
def test_given_an_unknown_id_when_polled_then_it_is_404(standing: Gateway, job_id: str) -> None:
    response = standing.http.get(f"/jobs/{job_id}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert standing.http.delete(f"/jobs/{job_id}").status_code in (404, 405)


def test_given_an_empty_ledger_when_polled_then_the_store_knows_the_job(gateway: Gateway) -> None:
    waiting, done = gateway.accepted(), None
    gateway.ledger.forget(waiting)
    done = gateway.done()
    job = gateway.ledger.get(done)
    assert job is not None
    gateway.store.put(outcome_key(done), Outcome.of(job).to_json().encode())
    etag = gateway.http.get(f"/jobs/{done}/result").headers["etag"]
    gateway.ledger.forget(done)

    assert gateway.http.get(f"/jobs/{waiting}").json()["status"] == "queued"
    assert gateway.http.get(f"/jobs/{done}").json()["status"] == "done"
    assert gateway.http.get(f"/jobs/{done}/result").headers["etag"] == etag


# ------------------------------------------------------------------------------------------------ the same key again


def test_given_a_key_when_sent_again_then_it_is_the_same_job(gateway: Gateway) -> None:
    key = {"Idempotency-Key": "visit 7"}
    job_id = gateway.accepted(headers=key)
    again = gateway.submit(headers=key)
    assert (again.status_code, again.json()["id"]) == (202, job_id)
    assert len(gateway.http.get("/jobs").json()["jobs"]) == 1
    assert gateway.accepted() != job_id


@pytest.mark.parametrize(
    ("scan", "path"),
    [(gzip.compress(b"another"), "/predict/"), (SCAN, "/predict/?model=both"), (SCAN, "/label/")],
)
def test_given_a_key_when_something_else_comes_under_it_then_it_is_refused(
    gateway: Gateway, scan: bytes, path: str
) -> None:
    key = {"Idempotency-Key": "visit 7"}
    gateway.accepted(headers=key)
    response = gateway.submit(scan, path=path, headers=key)
    assert (response.status_code, response.json()["type"]) == (422, "/docs#idempotency-key-reused")


def test_given_the_key_of_a_deleted_job_when_sent_again_then_it_is_gone(gateway: Gateway) -> None:
    key = {"Idempotency-Key": "visit 7"}
    gateway.http.delete(f"/jobs/{gateway.accepted(headers=key)}")
    assert gateway.submit(headers=key).status_code == 410
    assert len(gateway.stored()) == 1


def test_given_a_refused_upload_when_its_key_comes_again_with_a_good_one_then_it_is_taken(
    gateway: Gateway,
) -> None:
    key = {"Idempotency-Key": "visit 7"}
    assert gateway.submit(b"rubbish", headers=key).status_code == 422
    gateway.accepted(headers=key)
