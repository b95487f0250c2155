"""A TCP proxy before Redis that loses replies: the request is carried out, then the connection ends.

Only the answers of scripts are lost, which are the ledger's transitions; greetings and Celery's traffic pass.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

SCRIPT = b"EVALSHA"
UNKNOWN_SCRIPT = b"-NOSCRIPT"  # was not carried out, so its loss would prove nothing


class CuttingProxy:
    """Forwards to a Unix socket; `cut` says how many of the coming replies to lose."""

    def __init__(self, socket_of_redis: Path) -> None:
        self._redis = socket_of_redis
        self._lock = threading.Lock()
        self._to_cut = 0
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.close()

    def cut(self, replies: int = 1) -> None:
        """Lose the replies to the next scripts."""
        with self._lock:
            self._to_cut = replies

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                _Connection(self, client).start()

    def connect(self) -> socket.socket:
        """A connection to Redis of one client's own."""
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self._redis))
        except OSError:
            server.close()
            raise
        return server

    def takes(self, request: bytes, reply: bytes) -> bool:
        """Whether this reply is one to lose."""
        if SCRIPT not in request or reply.startswith(UNKNOWN_SCRIPT):
            return False
        with self._lock:
            if self._to_cut == 0:
                return False
            self._to_cut -= 1
            self.cuts += 1
            return True


class _Connection:
    """One client's connection, two threads: requests one way, replies the other."""

    def __init__(self, proxy: CuttingProxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._request = b""

    def start(self) -> None:
        try:
            self._server = self._proxy.connect()
        except OSError:  # Redis is away
            self._client.close()
            return
        for work in (self._requests, self._replies):
            threading.Thread(target=work, daemon=True).start()

    def _requests(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(65536):
                self._request = data
                self._server.sendall(data)
        self._end()

    def _replies(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(65536):
                if self._proxy.takes(self._request, data):
                    break
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
