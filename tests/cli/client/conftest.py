"""A scripted server, a client of it, and the client's clock."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_clock import Clock
from client_replies import JOB
from parcela_cli.client.client import Client
from scripted_server import Scripted, json_reply, serving


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving(lambda _: json_reply(JOB, 202)) as found:
        yield found


@pytest.fixture
def client(server: Scripted) -> Iterator[Client]:
    with Client(server.url, patience_s=3) as found:
        yield found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("parcela_cli.client.retry.time", found)
    return found


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "Jane Doe.nii.gz"
    path.write_bytes(gzip.compress(b"a scan"))
    return path
