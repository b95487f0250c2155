"""One line of JSON for each request, and the request's numbers.

The route is logged as it is written in the code, never what was put in its place (a file's name, a query). So nothing
of a caller's can get into a log. A job's id is no secret to its owner's log.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parcela.jobs.records import is_id
from parcela_gateway.metrics import Metrics

QUIET = {"/healthz", "/readyz", "/metrics"}  # asked every few seconds by machines
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

log = logging.getLogger("parcela.access")


class AccessLog:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start_s, status = time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._note(scope, status, time.monotonic() - start_s)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.count(method, route, status, seconds)
        line: dict[str, Any] = {"method": method, "route": route, "status": status}
        line |= {"seconds": round(seconds, 4)}
        job = scope.get("path_params", {}).get("job_id", "")
        if is_id(job):
            line["job"] = job
        level = logging.DEBUG if route in QUIET and status == 200 else logging.INFO
        log.log(level, "request", extra={"fields": line})


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr() -> None:
    """What the gateway's process logs. uvicorn's own access log would tell queries: it stays off."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("parcela", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.INFO)
