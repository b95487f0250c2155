"""Health, readiness, metrics, cards, pages."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import textwrap
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
    assert set(models) == {"unet", "highresnet"}
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


def test_given_requests_when_logged_then_a_route_a_line_and_none_for_the_healthy_answers_of_probes(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "parcela.access")
    job = gateway.accepted()
    for path in ("/healthz", "/readyz", "/metrics", f"/jobs/{job}?name=Doe", "/John-Doe.nii"):
        gateway.http.get(path)
    gateway.http.get("/healthz")  # the line before it has been written when this one is answered
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    told = [(line["route"], line["status"], line.get("job")) for line in lines]
    assert told == [
        ("/predict/", 202, None),
        ("/readyz", 503, None),
        ("/jobs/{job_id}", 200, job),
        ("none", 404, None),
    ]
