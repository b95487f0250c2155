"""The path under which a proxy publishes the gateway (``X-Forwarded-Prefix``), so that links lead back through it.

The header counts as uvicorn lets ``X-Forwarded-For`` and ``-Proto`` count: from the addresses in
``FORWARDED_ALLOW_IPS`` (this computer's alone unless set), and from nobody else.
"""

from __future__ import annotations

import os
import re
from contextvars import ContextVar

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")

_prefix: ContextVar[str] = ContextVar("prefix", default="")


class BehindProxy(ProxyHeadersMiddleware):
    """Uvicorn's middleware for what a trusted proxy says of a request, with the prefix that it took off the path."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        if scope["type"] == "http" and (scope["client"] or ("",))[0] in self.trusted_hosts:
            said = Headers(scope=scope).get("x-forwarded-prefix", "").strip().rstrip("/")
            if PATH.fullmatch(said):
                _prefix.set(said)
                scope["root_path"] = said
                scope["path"] = said + scope["path"]
        await super().__call__(scope, receive, send)  # type: ignore[arg-type]


def under_prefix(path: str) -> str:
    """A path of the gateway as the caller of the present request reaches it."""
    return _prefix.get() + path
