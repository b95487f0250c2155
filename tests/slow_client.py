"""A client of the gateway's, byte by byte: what no HTTP library would do."""

from __future__ import annotations

import json
import socket
from typing import Any, Self

from patience import patient

FORM = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
END = b"\r\n--x--\r\n"


class Answer:
    """What came back: status, headers by lower-case name, and the document."""

    def __init__(self, raw: bytes) -> None:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1]) if first else 0
        self.headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        self.body = body

    @property
    def slug(self) -> str:
        """Which problem it is."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        assert self.document["status"] == self.status
        return str(self.document["type"]).removeprefix("/docs#")

    @property
    def document(self) -> dict[str, Any]:
        """What it says, in JSON."""
        document: dict[str, Any] = json.loads(self.body)
        return document


class SlowClient:
    """One connection."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.host = f"{host}:{port}"
        self.slow = False  # whether whoever has it sends a byte now and then
        self.socket = socket.create_connection((host, int(port)), timeout=patient(10))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> Self:
        for part in parts:
            self.socket.sendall(part)
        return self

    def upload(
        self, size: int, first: bytes = b"", key: str = "", idempotency_key: str = ""
    ) -> Self:
        """The head of an upload of so many bytes in the field ``file``, and the first of them."""
        length = len(FORM) + size + len(END)
        more = f"Authorization: Bearer {key}\r\n" if key else ""
        more += f"Idempotency-Key: {idempotency_key}\r\n" if idempotency_key else ""
        head = (
            f"POST /predict/ HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n{more}"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
        )
        return self.send(head.encode(), FORM, first)

    def answer(self) -> Answer:
        """All that comes until the gateway closes the connection."""
        raw = b""
        while True:
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            raw += part
        return Answer(raw)
