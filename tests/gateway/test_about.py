"""Health, readiness, metrics, cards, pages."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_server import Gateway
from parcela_gateway.access_log import JsonLines
from parcela_gateway.readiness import ReadinessCheck
from patience import patient
from processes import wait_until

WORKER = """
from parcela.jobs.doorbell import celery_app
app = celery_app({url!r})
"""


def test_given_no_worker_when_asked_then_it_is_not_ready_and_says_for_what(
    gateway: Gateway,
) -> None:
    response = gateway.http.get("/readyz")
    found = response.json()
    assert (response.status_code, found["type"]) == (503, "/docs#not-ready")
    assert (found["store"], found["ledger"]) == ("ok", "ok")
    assert found["workers"] == {"preprocess": 0, "inference": 0, "labelling": 0}
    assert "no worker for inference" in found["detail"]
    assert gateway.http.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/models", "/metrics", "/jobs"]
)
def test_given_any_document_when_its_head_is_asked_for_then_it_is_that_of_the_document(
    standing: Gateway, path: str
) -> None:
    standing.http.get(path)
    head, get = standing.http.head(path), standing.http.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":  # which counts this very request
        assert head.headers["content-length"] == get.headers["content-length"]


def test_given_a_job_when_the_head_of_its_documents_is_asked_for_then_it_is_theirs(
    gateway: Gateway,
) -> None:
    here = f"/jobs/{gateway.done()}"
    for path in (here, f"{here}/files", f"{here}/result", f"{here}/files/dseg.tsv"):
        head, get = gateway.http.head(path), gateway.http.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"") == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
    assert gateway.http.head("/jobs/none").status_code == 404
    refused = gateway.http.head(f"{here}/events")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert "HEAD" in gateway.http.post(here).headers["allow"]


@pytest.mark.slow  # Celery takes its time to come up
def test_given_a_worker_that_hears_every_queue_when_asked_then_it_is_ready(
    gateway: Gateway, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "stub_worker.py").write_text(textwrap.dedent(WORKER.format(url=redis_url)))
    queues = "preprocess,inference,labelling"
    command = [sys.executable, "-m", "celery", "-A", "stub_worker", "worker", "-P", "threads"]
    worker = subprocess.Popen(
        [*command, "-c", "1", "-Q", queues],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        check = ReadinessCheck(gateway.service)
        wait_until(lambda: not check._look().missing, 20)
        response = gateway.http.get("/readyz")
        assert response.status_code == 200, response.text
        assert response.json()["workers"] == {"preprocess": 1, "inference": 1, "labelling": 1}
    finally:
        worker.terminate()
        worker.wait(patient(10))


def test_given_jobs_when_metrics_are_read_then_they_are_counted(gateway: Gateway) -> None:
    gateway.accepted()
    gateway.http.get("/nowhere")
    text = gateway.http.get("/metrics").text
    assert 'parcela_jobs_waiting{stage="preprocess"} 1.0' in text
    assert 'parcela_http_requests_total{method="POST",route="/predict/",status="202"} 1.0' in text
    assert 'route="none",status="404"' in text


def test_when_the_networks_are_asked_for_then_their_cards_come(standing: Gateway) -> None:
    models = {model["model"]: model for model in standing.http.get("/models").json()["models"]}
    assert set(models) == {"unet", "highresnet", "warp"}
    assert all(model["sha256"] == model["card"]["sha256"] for model in models.values())


def test_when_the_pages_are_opened_then_nothing_comes_from_elsewhere(standing: Gateway) -> None:
    for path in ("/", "/docs"):
        response = standing.http.get(path)
        assert response.headers["content-type"].startswith("text/html")
        assert not re.search(r"(src|href)=['\"]?(https?:)?//", response.text)
    assert standing.url in standing.http.get("/").text


def test_when_the_api_page_is_opened_then_every_route_and_problem_is_there(
    standing: Gateway,
) -> None:
    page = standing.http.get("/docs").text
    for path in standing.http.get("/openapi.json").json()["paths"]:
        assert path in page
    for slug in ("bad-scan", "too-large", "no-key", "job-deleted", "internal", "bad-parameters"):
        assert f'id="{slug}"' in page


def test_given_no_store_when_started_then_it_says_what_to_set(redis_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "parcela_gateway"],
        env=os.environ | {"PARCELA_REDIS": redis_url},
        capture_output=True,
        text=True,
        timeout=patient(20),
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert "PARCELA_STORE" in done.stderr
    assert "Traceback" not in done.stderr


def test_given_the_gateway_then_nothing_heavy_is_loaded() -> None:
    code = "import parcela_gateway.app, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "monai", "ants", "matplotlib"} & set(done.stdout.split())


def test_given_keys_then_the_numbers_of_all_are_for_a_key_of_their_own(
    start: Callable[..., Gateway],
) -> None:
    alice, operator = "a" * 32, "o" * 32
    gateway = start(api_keys=alice, metrics_key=operator)

    def ask(**headers: str) -> tuple[int, str]:
        response = gateway.http.get("/metrics", headers=headers)
        return response.status_code, response.text

    assert ask()[0] == 401
    status, text = ask(Authorization=f"Bearer {alice}")
    assert (status, "parcela_jobs" in text, "not-for-callers" in text) == (403, False, True)
    assert ask(Authorization=f"Bearer {operator}")[0] == 200
    assert gateway.http.get("/jobs", headers={"X-API-Key": operator}).status_code == 401
    without = start(api_keys=alice)
    assert without.http.get("/metrics", headers={"X-API-Key": alice}).status_code == 403


def test_given_any_answer_then_no_browser_keeps_it_and_no_page_frames_it(gateway: Gateway) -> None:
    job_id = gateway.done()
    files = [f"/jobs/{job_id}/result", f"/jobs/{job_id}/files/report.html"]
    paths = ["/jobs", f"/jobs/{job_id}", f"/jobs/{job_id}/files", "/jobs/none", "/nowhere"]
    for path in (*paths, *files):
        headers = gateway.http.get(path).headers
        assert headers["cache-control"] == ("private, no-cache" if path in files else "no-store")
        assert headers["x-frame-options"] == "DENY", path
        assert headers["x-content-type-options"] == "nosniff", path
    assert gateway.submit().headers["cache-control"] == "no-store"
    foreign = gateway.http.get("/jobs", headers={"Origin": "https://evil.example.org"})
    assert (foreign.status_code, foreign.headers["x-frame-options"]) == (403, "DENY")
    for page in ("/", "/docs"):
        assert gateway.http.get(page).headers["x-frame-options"] == "DENY"


def test_given_requests_about_jobs_then_the_audit_log_says_who_did_what(
    start: Callable[..., Gateway], tmp_path: Path
) -> None:
    alice, bob, log = "a" * 32, "b" * 32, tmp_path / "audit.log"
    gateway = start(api_keys=f"{alice},{bob}", audit_log=log)
    as_alice, as_bob = ({"X-API-Key": key} for key in (alice, bob))
    job_id = gateway.done(headers=as_alice)
    for path in ("", "/result", "/files/Jane Doe.nii", "/scan"):
        gateway.http.get(f"/jobs/{job_id}{path}", headers=as_alice)
    gateway.http.get(f"/jobs/{job_id}/result", headers=as_bob)
    gateway.http.get("/jobs", headers={"X-API-Key": "guess"})
    gateway.http.get("/jobs/Jane Doe", headers=as_bob)
    gateway.http.delete(f"/jobs/{job_id}", headers=as_alice)
    gateway.http.get("/healthz")

    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["action"], line["job"], line["status"]) for line in lines] == [
        ("predict", job_id, 202),
        ("get_result", job_id, 200),
        ("get_file", job_id, 404),
        ("get_scan", job_id, 200),
        ("get_result", job_id, 404),
        ("list_jobs", "", 401),
        ("get_job", "", 404),
        ("delete_job", job_id, 204),
    ]
    owner = hashlib.sha256(alice.encode()).hexdigest()
    hashes = [line["caller"] for line in lines]
    assert set(hashes[:4]) == {hashlib.sha256(owner.encode()).hexdigest()[:12]}
    assert hashes[5] == ""
    assert hashes[4] == hashes[6] not in (hashes[0], "")
    assert all(line["time"] for line in lines)
    assert not re.search(f"Jane|guess|{alice}|{owner[:12]}|127.0.0.1", text)


def test_given_addresses_are_asked_for_then_the_audit_log_has_them(
    start: Callable[..., Gateway], tmp_path: Path
) -> None:
    gateway = start(audit_log=tmp_path / "audit.log", audit_addresses=True)
    gateway.accepted()
    line = json.loads((tmp_path / "audit.log").read_text())
    assert (line["caller"], line["address"]) == ("local", "127.0.0.1")


def test_given_requests_when_logged_then_a_route_a_line_and_none_for_the_healthy_answers_of_probes(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "parcela.access")
    job = gateway.accepted()
    for path in ("/healthz", "/readyz", "/metrics", f"/jobs/{job}?name=Doe", "/John-Doe.nii"):
        gateway.http.get(path)
    lines = [
        json.loads(JsonLines().format(record))
        for record in caplog.records
        if record.name == "parcela.access"
    ]
    told = [(line["route"], line["status"], line.get("job")) for line in lines]
    assert told == [
        ("/predict/", 202, None),
        ("/readyz", 503, None),
        ("/jobs/{job_id}", 200, job),
        ("none", 404, None),
    ]
