"""Bytes out: strong ETags, conditional requests and single ranges (RFC 9110), streamed from wherever they come."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from parcela_gateway.problem import Refused

CHUNK = 256 * 1024
SHOWN = ("text/html", "image/")  # opened in a browser, these are looked at, not saved
RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


class BadRange(Refused):
    """The range asked for lies behind the end."""

    status = 416
    slug = "bad-range"


@dataclass(frozen=True)
class Sendable:
    """A file to send, or a part of it.

    Attributes:
        name: the file's name.
        media_type: its type.
        size: bytes.
        etag: a strong validator, without quotes.
        read: the bytes from a start on, so many of them.
    """

    name: str
    media_type: str
    size: int
    etag: str
    read: Callable[[int, int], Iterator[bytes]]


def send(request: Request, what: Sendable, extra: Mapping[str, str] | None = None) -> Response:
    """The response: 200, 206 for a range, or 304.

    Raises:
        BadRange: 416.
    """
    etag = f'"{what.etag}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    headers |= extra or {}
    if _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    how = "inline" if what.media_type.startswith(SHOWN) else "attachment"
    headers["Content-Disposition"] = f'{how}; filename="{what.name}"'
    span = _span(request, etag, what.size)
    start, length = span or (0, what.size)
    headers["Content-Length"] = str(length)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{what.size}"
    status = 200 if span is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=what.media_type)
    return StreamingResponse(what.read(start, length), status, headers, what.media_type)


def _matches(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    named = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return bool(named & {etag, "*"})


def _span(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """Start and length of the one range asked for. None for all: several ranges, or of what has changed since."""
    if request.headers.get("if-range", etag) != etag:
        return None
    span = RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if span is None or span.group(1, 2) == ("", ""):
        return None
    first, last = span.group(1), span.group(2)
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if start >= end:
        raise BadRange(
            f"the range begins behind the end: there are {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end - start
