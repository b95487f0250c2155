"""``parcela.Client``: what it asks, how it bears a bad day, and that no error ever lies under an image's name."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest

import parcela
from client_clock import Clock
from client_replies import DONE, ID, JOB
from command import parcela_here
from parcela.errors import (
    BadRequest,
    BadScan,
    LimitExceeded,
    ParcelaError,
    StepFailed,
    Unavailable,
)
from parcela_cli.client.client import Client
from parcela_cli.client.connection import is_this_computer
from parcela_cli.client.remote_job import RemoteJob
from parcela_cli.client.retry import asked_pause_s
from processes import closed_port
from scripted_server import Reply, Scripted, in_turn, json_reply, problem, serving

# --------------------------------------------------------------------------------------------- proxies


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_given_proxies_in_the_environment_then_a_scan_for_this_computer_stays_on_it(
    server: Scripted, scan: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: json_reply({}, 502)) as proxy:
        for variable in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, proxy.url)
        with Client(server.url.replace("127.0.0.1", name), patience_s=0) as client:
            assert client.submit(scan).id == ID
        assert proxy.asked == []
        with Client("http://parcela.invalid", patience_s=0) as client, pytest.raises(Unavailable):
            client.submit(scan)
        assert proxy.asked != []


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *(
            (name, True)
            for name in ("localhost", "LocalHost.", "x.localhost", "127.9.9.9", "127.1")
        ),
        *((name, True) for name in ("::1", "::ffff:127.0.0.1", "0.0.0.0")),
        *((name, False) for name in ("10.0.0.1", "localhost.example.org", "127.0.0.1.example.org")),
        *((name, False) for name in ("example.org", "fe80::1", "")),
    ],
)
def test_given_a_host_then_it_is_known_whether_it_is_this_computer(host: str, here: bool) -> None:
    assert is_this_computer(host) is here


# --------------------------------------------------------------------------------------------- the public names


def test_given_the_package_then_its_public_names_are_shown_and_there() -> None:
    assert {"Client", "Prediction", "predict"} <= set(dir(parcela))
    assert parcela.Client is Client


def test_when_the_client_is_taken_then_nothing_heavy_is_loaded() -> None:
    code = "import parcela, sys; parcela.Client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "monai", "ants", "fastapi", "celery"} & set(done.stdout.split())


# --------------------------------------------------------------------------------------------- submitting


def test_given_a_scan_when_submitted_then_options_and_bytes_go_over_and_its_name_does_not(
    server: Scripted, client: Client, scan: Path
) -> None:
    job = client.submit(scan, model="both", preprocess=False, skull_strip="deepbet", space="model")
    (asked,) = server.asked
    assert asked.path == (
        "/predict/?preprocessing=false&skull_strip=deepbet&fast=false&tissues=false"
        "&model=both&space=model&standard_space=false&probabilities=false&exact=false"
    )
    assert scan.read_bytes() in asked.body
    assert b"Jane" not in asked.body
    assert (job.id, job.status, job.ended) == (ID, "queued", False)


def test_given_a_scan_when_labelled_then_the_other_address_is_asked(
    server: Scripted, client: Client, scan: Path
) -> None:
    client.label(scan, preset="thesis")
    assert (
        server.asked[0].path
        == "/label/?preprocessing=true&skull_strip=auto&fast=false&tissues=false&preset=thesis"
    )


def test_given_a_lost_answer_when_submitted_then_it_is_sent_again_under_the_same_key(
    server: Scripted, client: Client, scan: Path
) -> None:
    server.script = in_turn(Reply(cut=True), Reply(cut=True), json_reply(JOB, 202))
    assert client.submit(scan).id == ID
    keys = {asked.headers["idempotency-key"] for asked in server.asked}
    assert (len(server.asked), len(keys)) == (3, 1)
    assert all(scan.read_bytes() in asked.body for asked in server.asked)
    client.submit(scan)
    assert server.asked[-1].headers["idempotency-key"] not in keys


def test_given_a_key_of_the_callers_when_submitted_then_that_one_is_sent(
    server: Scripted, client: Client, scan: Path
) -> None:
    client.submit(scan, idempotency_key="visit-7")
    assert server.asked[0].headers["idempotency-key"] == "visit-7"


def test_given_a_missing_scan_when_submitted_then_it_is_said_at_once(
    server: Scripted, client: Client, tmp_path: Path
) -> None:
    with pytest.raises(BadScan, match=r"no\.nii: cannot be read \(No such file"):
        client.submit(tmp_path / "no.nii")
    assert server.asked == []


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (problem("bad-scan", 422, "the file is empty"), BadScan, "the file is empty"),
        (problem("never-heard-of", 413, "over the limit"), BadRequest, "over the limit"),
        (problem("limit-exceeded", 500, "took too long"), LimitExceeded, "took too long"),
        (problem("about:blank", 500, "a fault"), StepFailed, "a fault"),
        (Reply(404, b"<h1>nginx</h1>", "text/html"), BadRequest, "answered 404 Not Found, not as"),
        (Reply(200, b"<h1>hello</h1>", "text/html"), BadRequest, "not as a Parcela server does"),
        (json_reply({"hello": 1}), BadRequest, "not as a Parcela server does"),
    ],
)
def test_given_a_refusal_when_submitted_then_it_is_the_error_it_would_have_been_here(
    server: Scripted,
    client: Client,
    scan: Path,
    reply: Reply,
    kind: type[ParcelaError],
    words: str,
) -> None:
    server.script = in_turn(reply)
    with pytest.raises(kind, match=words) as refused:
        client.submit(scan)
    assert type(refused.value) is kind
    assert len(server.asked) == 1
    assert "<h1>" not in str(refused.value)


def test_given_a_server_when_its_jobs_and_models_are_asked_for_then_they_are_typed(
    server: Scripted, client: Client
) -> None:
    model = {"model": "unet", "variant": "modern", "sha256": "ab", "card": {"a": 1}}
    server.script = in_turn(
        json_reply({"jobs": [JOB, DONE]}), json_reply({"models": [model]}), json_reply([])
    )
    jobs = client.jobs(7)
    assert [job.status for job in jobs] == ["queued", "done"]
    assert [job.quality for job in jobs] == [None, None], "of an older server"
    assert server.asked[0].path == "/jobs?limit=7"
    assert [(m.model, m.sha256, m.card) for m in client.models()] == [("unet", "ab", {"a": 1})]
    with pytest.raises(BadRequest, match="not as a Parcela server does"):
        client.jobs()


def test_given_a_verdict_when_jobs_are_listed_and_shown_then_it_is_told(server: Scripted) -> None:
    quality = {"verdict": "look", "reasons": ["regions fall into pieces"]}
    server.script = in_turn(json_reply({"jobs": [DONE | {"quality": quality}, JOB]}))
    lines = parcela_here("jobs", "list", "--server", server.url).out.splitlines()
    assert [line.split("\t")[5] for line in lines] == ["look", ""]
    server.script = in_turn(json_reply(DONE | {"quality": quality}))
    shown = json.loads(parcela_here("jobs", "show", ID, "--server", server.url).out)
    assert shown["quality"] == quality


# --------------------------------------------------------------------------------------------- patience


def test_given_a_busy_server_when_asked_then_its_pause_is_kept(
    server: Scripted, client: Client, clock: Clock
) -> None:
    busy = problem("too-many-waiting", 429, "too many jobs wait", Retry_After="1")
    server.script = in_turn(busy, json_reply(JOB))
    assert client.job(ID).id == ID
    assert clock.pauses == [1]


def test_given_a_server_that_stays_busy_then_patience_ends_with_its_own_words(
    server: Scripted, client: Client, clock: Clock
) -> None:
    server.script = in_turn(problem("unavailable", 503, "Redis does not answer"))
    with pytest.raises(Unavailable, match="Redis does not answer"):
        client.jobs()
    assert len(server.asked) > 2
    assert 1 < clock.monotonic() <= 3


def test_given_a_pause_longer_than_patience_then_nothing_is_waited_for(
    server: Scripted, client: Client, clock: Clock
) -> None:
    server.script = in_turn(problem("too-many-waiting", 429, "come back", Retry_After="3600"))
    with pytest.raises(Unavailable, match="come back"):
        client.job(ID)
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("7", 7, 7),
        (formatdate(time.time() + 7200, usegmt=True), 3600, 7200),
        (formatdate(0, usegmt=True), 0, 0),
        ("soon", None, None),
        ("", None, None),
    ],
)
def test_given_retry_after_in_each_form_then_it_is_understood(
    text: str, low: float | None, high: float | None
) -> None:
    import httpx2

    found = asked_pause_s(httpx2.Response(429, headers={"Retry-After": text}))
    assert found is None if low is None or high is None else low <= (found or 0) <= high


def test_given_nobody_at_the_address_then_that_is_said_in_seconds(scan: Path, clock: Clock) -> None:
    with (
        closed_port() as port,
        Client(f"http://127.0.0.1:{port}") as client,
        pytest.raises(Unavailable, match=rf"no Parcela server answers at http://127.0.0.1:{port}"),
    ):
        client.submit(scan)
    assert 1 < clock.monotonic() < 6


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://host", "http://", ""])
def test_given_an_address_that_is_none_then_one_is_shown(address: str) -> None:
    with pytest.raises(BadRequest, match="give one such as http"):
        Client(address)


@pytest.mark.parametrize("given", ["argument", "environment", "neither"])
def test_given_a_key_then_it_is_sent(
    server: Scripted, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PARCELA_API_KEY", raising=False)
    if given == "environment":
        monkeypatch.setenv("PARCELA_API_KEY", "secret")
    with Client(server.url, key="secret" if given == "argument" else None) as client:
        client.job(ID)
    sent = server.asked[0].headers.get("authorization")
    assert sent == (None if given == "neither" else "Bearer secret")


# --------------------------------------------------------------------------------------------- waiting


def test_given_a_job_that_moves_when_waited_for_then_each_move_is_told_once(
    server: Scripted, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parcela_cli.client.client.POLL_S", 0.01)
    running = JOB | {"status": "preprocessing", "progress": 0.2, "step": "N4"}
    server.script = in_turn(*map(json_reply, (JOB, running, running)), json_reply(DONE))
    told: list[RemoteJob] = []
    job = client.wait(ID, on_progress=told.append)
    assert [now.status for now in told] == ["queued", "preprocessing", "done"]
    assert job.ended


def test_given_a_job_that_failed_when_waited_for_then_its_problem_is_raised(
    server: Scripted, client: Client
) -> None:
    told = {"slug": "limit-exceeded", "title": "", "status": 500, "detail": "took too long"}
    server.script = in_turn(json_reply(JOB | {"status": "failed", "problem": told}))
    with pytest.raises(LimitExceeded, match="took too long"):
        client.wait(ID)


def test_given_a_cancelled_job_when_waited_for_then_that_is_an_error(
    server: Scripted, client: Client
) -> None:
    server.script = in_turn(json_reply(JOB | {"status": "cancelled"}))
    with pytest.raises(StepFailed, match=f"job {ID} was cancelled"):
        client.wait(ID)


def test_given_a_limit_when_waited_for_then_waiting_ends_there(client: Client) -> None:
    with pytest.raises(LimitExceeded, match=r"not ended in 0\.1 s; it goes on"):
        client.wait(ID, timeout_s=0.1)


# --------------------------------------------------------------------------------------------- ending


@pytest.mark.parametrize("status", [204, 404, 410])
def test_given_a_job_when_deleted_then_being_gone_already_is_no_error(
    server: Scripted, client: Client, status: int
) -> None:
    server.script = in_turn(Reply(status) if status == 204 else problem("no-such-job", status, ""))
    client.delete(ID)
    assert (server.asked[0].method, server.asked[0].path) == ("DELETE", f"/jobs/{ID}")
