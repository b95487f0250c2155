"""The connection to one server: each request with the caller's key, repeated while the server is away or too busy."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import httpx2

from parcela.errors import BadRequest
from parcela_cli.client.remote_job import refusal
from parcela_cli.client.retry import Patience

SERVER = "http://127.0.0.1:8000"
API_KEY = "PARCELA_API_KEY"
BUSY = (429, 502, 503)

T = TypeVar("T")


class Connection:
    """Requests to one server; threads may share it."""

    def __init__(self, server: str, key: str | None, timeout_s: float, patience_s: float) -> None:
        """Of the caller's key, or the environment's; nothing is sent yet.

        Raises:
            BadRequest: the address is not one of HTTP.
        """
        url = httpx2.URL(server)
        if url.scheme not in ("http", "https") or not url.host:
            raise BadRequest(f"{server!r} is not a server's address: give one such as {SERVER}")
        key = key or os.environ.get(API_KEY)
        self.server = str(url).rstrip("/")
        self._patience = Patience(self.server, patience_s)
        self._http = httpx2.Client(
            base_url=self.server,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout_s,
            mounts={"http://": None, "https://": None} if is_this_computer(url.host) else {},
        )

    def close(self) -> None:
        """Let go of it."""
        self._http.close()

    def repeating(self, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until it works; raises Unavailable once patience is at its end."""
        return self._patience.retrying(attempt)

    def ask(
        self, method: str, path: str, read: Callable[[httpx2.Response], T], **options: Any
    ) -> T:
        """Ask as ``once`` does, until the server answers."""
        return self.repeating(lambda: self.once(method, path, read, **options))

    def once(
        self,
        method: str,
        path: str,
        read: Callable[[httpx2.Response], T],
        *,
        gone: bool = False,
        **options: Any,
    ) -> T:
        """Ask once.

        Args:
            method, path: of the request.
            read: what to make of the answer, whose body has not been read yet.
            gone: take "not there" (404, 410) for an answer.
            options: of the request, as httpx2 has them.

        Raises:
            httpx2.HTTPStatusError: the server is too busy; ask again.
            BadScan, BadRequest and their kin: refused.
        """
        with self._http.stream(method, path, **options) as response:
            if response.status_code in BUSY:
                response.read()
                raise httpx2.HTTPStatusError(
                    str(refusal(response)), request=response.request, response=response
                )
            if not response.is_success and not (gone and response.status_code in (404, 410)):
                response.read()
                raise refusal(response)
            return read(response)


def is_this_computer(host: str) -> bool:
    """Whether a name or address is this computer's own, so that no proxy of the environment has a part in it."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    with suppress(OSError):  # also as 127.1, which getaddrinfo takes
        name = socket.inet_ntoa(socket.inet_aton(name))
    with suppress(ValueError):
        address = ipaddress.ip_address(name)
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or address.is_unspecified
    return False
