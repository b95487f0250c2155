"""An HTTP server that answers as the test says: for what a real one does only on a bad day."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to answer; ``cut`` ends the connection in the middle of the body (or before anything, where it is empty)."""

    status: int = 200
    body: bytes = b""
    type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


Script = Callable[[Asked], Reply]


@dataclass
class Scripted:
    """A running server: its address, what it was asked, and the script, which a test may change."""

    url: str
    asked: list[Asked]
    script: Script


def json_reply(found: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(found).encode(), headers=headers)


def problem(slug: str, status: int, detail: str, **headers: str) -> Reply:
    """A problem document (RFC 9457)."""
    body = {"type": f"/problems/{slug}", "title": slug, "status": status, "detail": detail}
    return Reply(status, json.dumps(body).encode(), "application/problem+json", headers)


def in_turn(*replies: Reply) -> Script:
    """Each reply once, the last one for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def serving(script: Script) -> Iterator[Scripted]:
    """A server on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(lambda: found))
    server.daemon_threads = True
    found = Scripted(f"http://127.0.0.1:{server.server_address[1]}", [], script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(scripted: Callable[[], Scripted]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            scripted().asked.append(asked)
            reply = scripted().script(asked)
            self.close_connection = True
            if reply.cut and not reply.body:
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.type)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            with suppress(ConnectionError):  # the client has gone
                self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler
