"""The store's one user: what the server is asked for, and what happens where it has no users."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from minio.crypto import decrypt

from parcela.errors import Unavailable
from parcela.settings import Settings, settings
from parcela.store.s3_user import add_user, main, policy
from s3_server import s3_server

ROOT_SECRET = "root's secret"


class AdminServer(ThreadingHTTPServer):
    """MinIO's interface for its root, as its own client speaks it: remembers policies, users, who has which."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), AdminRequest)
        self.status = status
        self.policies: dict[str, object] = {}
        self.users: dict[str, str] = {}
        self.policy_of: dict[str, str] = {}


class AdminRequest(BaseHTTPRequestHandler):
    server: AdminServer

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        match url.path.rpartition("/")[2]:
            case "add-canned-policy":
                self.server.policies[asked["name"]] = json.loads(body)
            case "add-user":
                sealed = urllib3.HTTPResponse(io.BytesIO(body), preload_content=False)
                self.server.users[asked["accessKey"]] = json.loads(decrypt(sealed, ROOT_SECRET))[
                    "secretKey"
                ]
            case "set-user-or-group-policy":
                self.server.policy_of[asked["userOrGroup"]] = asked["policyName"]
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(params=[200])
def server(request: pytest.FixtureRequest) -> Iterator[AdminServer]:
    with AdminServer(request.param) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def root_of(address: str) -> Settings:
    return Settings(store=f"{address}/scans", store_access_key="root", store_secret_key=ROOT_SECRET)


def test_given_a_server_with_users_then_ours_gets_its_secret_and_the_policy_of_the_bucket(
    server: AdminServer,
) -> None:
    assert add_user(root_of(f"http://127.0.0.1:{server.server_port}"), "parcela-user", "its secret")

    assert server.users == {"parcela-user": "its secret"}
    assert server.policies == {"parcela": policy("scans")}
    assert server.policy_of == {"parcela-user": "parcela"}


def test_given_the_policy_then_it_names_one_bucket_and_neither_policies_nor_everything() -> None:
    text = json.dumps(policy("scans"))

    assert text.count("arn:aws:s3:::") == text.count("arn:aws:s3:::scans") == 2
    assert "s3:*" not in text
    assert "Policy" not in text


@pytest.mark.parametrize("server", [403], indirect=True)
def test_given_keys_that_the_server_refuses_then_it_says_so(server: AdminServer) -> None:
    with pytest.raises(Unavailable, match="root's keys"):
        add_user(root_of(f"http://127.0.0.1:{server.server_port}"), "parcela-user", "its secret")


def test_given_a_server_without_users_then_the_parts_get_its_root_s_keys_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / name for name in ("root", "root secret", "user", "user secret")}
    for name, file in files.items():
        file.write_text(f"the {name}")
    with s3_server() as address:
        url = urlsplit(address)
        monkeypatch.setenv("PARCELA_STORE", f"http://{url.hostname}:{url.port}/scans")
        monkeypatch.setenv("PARCELA_STORE_ACCESS_KEY_FILE", str(files["root"]))
        monkeypatch.setenv("PARCELA_STORE_SECRET_KEY_FILE", str(files["root secret"]))
        settings.cache_clear()
        main(files["user"], files["user secret"])

    assert files["user"].read_text() == "the root"
    assert files["user secret"].read_text() == "the root secret"
    assert "warning" in capsys.readouterr().out
