"""One line of JSON for each request, the request's numbers, and who did what with which job.

The route is logged as it is written in the code, never what was put in its place (a file's name, a query). So nothing
of a caller's can get into a log. A job's id is no secret to its owner's log.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parcela.jobs.records import is_id
from parcela_gateway.keys import LOCAL
from parcela_gateway.metrics import Metrics

QUIET = {"/healthz", "/readyz", "/metrics"}  # asked every few seconds by machines
POLLS = {"get_job"}
SESSIONS = {"sign_in", "sign_out"}
KEY_FAULTS = {401, 403, 421}
AUDIT_BYTES, AUDIT_FILES = 10 * 1024**2, 99
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

log = logging.getLogger("parcela.access")


class AuditLog:
    """Who did what with which job, and when: a line for each request but the polls that found their job.

    Callers stand in it by a hash of the hash that owns their jobs, so that the log gives nobody's jobs away.

    Args:
        file: where it goes, a new file every 10 MB; None: among the other lines, as the logger ``parcela.audit``.
        addresses: whether the addresses of callers are noted.
    """

    def __init__(self, file: Path | None, *, addresses: bool) -> None:
        self._log = logging.getLogger("parcela.audit" if file is None else f"parcela.audit.{file}")
        self._addresses = addresses
        self._log.setLevel(logging.INFO)
        if file is not None and not self._log.handlers:
            self._log.propagate = False
            handler = RotatingFileHandler(file, maxBytes=AUDIT_BYTES, backupCount=AUDIT_FILES)
            handler.setFormatter(JsonLines())
            self._log.addHandler(handler)

    def note(self, scope: Scope, status: int) -> None:
        """Note one request, if it is about a job or a key.

        ``status`` is that of its answer; 0: it ended without one.
        """
        state = scope.get("state", {})
        job = str(scope.get("path_params", {}).get("job_id", state.get("job", "")))
        action = getattr(scope.get("route"), "name", "none")
        polled = action in POLLS and status < 400
        if polled or not (job or action in SESSIONS or status in KEY_FAULTS):
            return
        line: dict[str, Any] = {"caller": caller_hash(state.get("owner", "")), "action": action}
        line |= {"job": job if is_id(job) else "", "status": status}
        if self._addresses:
            line["address"] = (scope.get("client") or ("",))[0]
        self._log.info("audit", extra={"fields": line})


def caller_hash(owner: str) -> str:
    """What the audit log calls an owner: twelve hexadecimal digits, ``local``, or nothing for nobody known."""
    return owner if owner in ("", LOCAL) else hashlib.sha256(owner.encode()).hexdigest()[:12]


class AccessLog:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, audit: AuditLog) -> None:
        self._app, self._metrics, self._audit = app, metrics, audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start_s, status, ended = time.monotonic(), 0, False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._note(scope, status, time.monotonic() - start_s)

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._audit.note(scope, status)  # before a byte of the answer has left
            elif not message.get("more_body", False):
                end()  # before the last byte has: whoever has the whole answer finds its line
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            end()
            if not status:  # cut, or failed, before it was answered
                self._audit.note(scope, status)

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
