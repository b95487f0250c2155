"""deploy/nginx/parcela.conf, run: TLS, a path of its own, large uploads, events as they come."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest

from gateway_server import Gateway, serving, working
from nifti_files import nifti
from parcela.settings import Settings
from patience import patient
from processes import free_port, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx on the PATH"),
]

MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/parcela.conf;
}}
"""


@pytest.fixture
def gateway(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """One that knows the proxy's name, as docs/deploy.md says."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
    settings = Settings(
        redis=redis_url, store=str(tmp_path / "store"), allowed_hosts="parcela.example.org"
    )
    with serving(settings) as gateway:
        yield gateway


@pytest.fixture
def proxied(gateway: Gateway, checkout: Path, tmp_path: Path) -> Iterator[httpx2.Client]:
    """A caller who trusts a certificate of the proxy's own, and reaches the gateway through it."""
    folder, port = tmp_path / "nginx", free_port()
    folder.mkdir()
    key, certificate = folder / "parcela.key", folder / "parcela.crt"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=parcela.example.org"
    named = (
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    )
    subprocess.run([*words.split(), *named], check=True, capture_output=True)
    text = (checkout / "deploy/nginx/parcela.conf").read_text()
    for given, ours in {
        "listen 443": f"listen 127.0.0.1:{port}",
        "/etc/nginx/": f"{folder}/",
        "http://127.0.0.1:8000": gateway.url,
    }.items():
        assert given in text
        text = text.replace(given, ours)
    (folder / "parcela.conf").write_text(text)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    process = subprocess.Popen(
        [
            "nginx",
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
            "-e",
            str(folder / "error.log"),
        ]
    )
    client = httpx2.Client(
        base_url=f"https://127.0.0.1:{port}/parcela",
        headers={"Host": "parcela.example.org"},
        verify=ssl.create_default_context(cafile=str(certificate)),
        timeout=patient(30),
    )
    try:
        wait_until(lambda: answers(client))
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait()


def answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx2.TransportError:
        return False


def test_given_the_proxy_then_the_page_and_its_links_are_under_its_path(
    proxied: httpx2.Client,
) -> None:
    page = proxied.get("/")

    assert page.headers["strict-transport-security"]
    assert "/parcela/predict/" in page.text
    assert proxied.get("/none").json()["type"].startswith("/parcela/docs")


def test_given_the_proxy_when_a_large_scan_is_sent_then_it_is_a_job_and_lies_in_no_file_of_nginx(
    gateway: Gateway, proxied: httpx2.Client, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 2**15, (160, 160, 160), dtype=np.int16)
    scan = nifti(noise)  # 8 MB: eight times what nginx takes unless told

    sent = proxied.post("/predict/", files={"file": ("scan.nii", scan)})

    assert sent.status_code == 202, sent.text
    assert sent.headers["location"] == f"/parcela/jobs/{sent.json()['id']}"
    assert [file for file in (tmp_path / "nginx" / "body").rglob("*") if file.is_file()] == []


def test_given_the_proxy_then_events_come_when_they_happen(
    gateway: Gateway, proxied: httpx2.Client
) -> None:
    job = gateway.accepted()
    with proxied.stream("GET", f"/jobs/{job}/events") as response:
        told = (
            json.loads(line.removeprefix("data: "))["status"]
            for line in response.iter_lines()
            if line.startswith("data: ")
        )
        first = next(told)  # nothing has happened since, and nothing ends: it came at once
        with working(gateway, stages=2):
            rest = list(told)

    assert first == "queued"
    assert rest[-1] == "done"
