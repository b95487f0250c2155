"""The description of the API, and whether the gateway keeps to it whatever is sent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_server import SCAN, Gateway, gateway_process, work_once
from parcela.jobs.ledger import Ledger
from parcela.store.folder import FolderStore
from parcela_gateway.problem import MEDIA_TYPE

EXPECTED = {
    "/predict/": {"post"},
    "/label/": {"post"},
    "/jobs": {"get"},
    "/jobs/{job_id}": {"get", "delete"},
    "/jobs/{job_id}/events": {"get"},
    "/jobs/{job_id}/result": {"get"},
    "/jobs/{job_id}/files": {"get"},
    "/jobs/{job_id}/files/{name}": {"get"},
    "/jobs/{job_id}/bundle.zip": {"get"},
    "/jobs/{job_id}/scan": {"get"},
    "/events": {"get"},
    "/installation": {"get"},
    "/session": {"post", "delete"},
    "/models": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
}


def test_given_the_description_then_it_has_every_route(standing: Gateway) -> None:
    paths = standing.http.get("/openapi.json").json()["paths"]
    assert {path: set(methods) for path, methods in paths.items()} == EXPECTED


def test_given_the_description_then_a_scan_is_a_file_of_a_form(standing: Gateway) -> None:
    operation = standing.http.get("/openapi.json").json()["paths"]["/predict/"]["post"]
    schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["properties"]["file"] == {"type": "string", "format": "binary"}
    assert schema["required"] == ["file"]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert {"model", "preprocessing", "preprocess", "skull_strip", "space"} <= names
    assert "idempotency-key" in {name.lower() for name in names}


def test_given_the_description_then_every_error_is_a_problem(standing: Gateway) -> None:
    paths = standing.http.get("/openapi.json").json()["paths"]
    for methods in paths.values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status[0] in "45":
                    assert list(response["content"]) == [MEDIA_TYPE], operation["operationId"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/none", 404),
        ("GET", "/jobs/", 404),
        ("POST", "/jobs", 405),
        ("PUT", "/predict/", 405),
        ("DELETE", "/", 405),
        ("GET", "/jobs?limit=0", 422),
        ("GET", "/jobs?limit=x", 422),
        ("QUERY", "/jobs", 405),
    ],
)
def test_given_a_wrong_address_or_method_then_it_is_a_problem(
    standing: Gateway, method: str, path: str, status: int
) -> None:
    response = standing.http.request(method, path)
    assert (response.status_code, response.json()["status"]) == (status, status)
    assert response.headers["content-type"] == MEDIA_TYPE
    assert (status == 405) == ("allow" in response.headers)


def test_given_a_wrong_method_then_all_that_are_right_are_named(standing: Gateway) -> None:
    allowed = standing.http.put("/jobs/" + "0" * 32).headers["allow"]
    assert {"GET", "DELETE"} <= set(allowed.split(", "))


@pytest.mark.slow
def test_given_anything_at_all_when_sent_then_no_500_and_every_error_is_a_problem(
    redis_url: str, tmp_path: Path
) -> None:
    """schemathesis: examples from the description, valid and not; the responses must be those described."""
    program = Path(sys.executable).with_name("schemathesis")
    with gateway_process(redis_url, tmp_path / "store", PARCELA_WAIT_S="0.1") as process:
        job = process.http.post("/predict/", files={"file": SCAN}).json()["id"]
        ledger, store = Ledger(redis_url), FolderStore(tmp_path / "store")
        while work_once(ledger, store):
            pass
        given = f'[parameters]\n"path.job_id" = "{job}"\n"path.name" = "dseg.tsv"\n'
        (tmp_path / "schemathesis.toml").write_text(given)
        done = subprocess.run(
            [
                *(str(program), "run", f"{process.url}/openapi.json"),
                *("--checks", "not_a_server_error,status_code_conformance"),
                *("--checks", "content_type_conformance,response_schema_conformance"),
                *("--exclude-path-regex", "readyz|^/events"),  # rightly 503 here; without an end
                *("--phases", "examples,coverage,fuzzing", "--max-examples", "25"),
                *("--request-timeout", "20", "--no-color"),
            ],
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        log = process.log.read_text()
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert not re.search("Traceback|stumbled", log)
