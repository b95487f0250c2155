"""Who may ask at all: which names this gateway answers to, and that no foreign web page speaks through a browser.

Where no keys are needed, being on this computer is the permission, and a browser on it carries out what any page
tells it. A page that has its own name point to 127.0.0.1 (DNS rebinding) is known by the Host header; one that asks
from its own place, by Origin and Sec-Fetch-Site.

No answer is kept by a browser or a proxy, or shown inside another page, unless its route says otherwise.

A cookie is sent by the browser whoever asks, if not across sites (SameSite=Strict), then from another port or a
neighbour's name. So who has the session's cookie passes the same check; who sends a key need not.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parcela.errors import ParcelaError
from parcela_gateway.keys import COOKIE
from parcela_gateway.problem import Refused, problem_response

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FOREIGN = {"cross-site", "same-site"}
UNLESS_SAID = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class WrongHost(Refused):
    """The gateway does not answer to this name."""

    status = 421
    slug = "wrong-host"


class CrossSite(Refused):
    """A web page of another site asks."""

    status = 403
    slug = "cross-site"


class Doorkeeper:
    """Turns away requests before any route sees them.

    Args:
        app: what is behind the door.
        hosts: names that the gateway answers to, without a port; empty: any (keys are asked for).
        same_site: whether requests from pages of other sites are refused; with the session's cookie they always are.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], same_site: bool) -> None:
        self._app, self._hosts, self._same_site = app, hosts, same_site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in UNLESS_SAID.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope["method"], Headers(scope=scope))
        except ParcelaError as error:
            await problem_response(error)(scope, receive, careful)
        else:
            await self._app(scope, receive, careful)

    def _check(self, method: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if self._hosts and _name(host) not in self._hosts:
            raise WrongHost(
                "this gateway does not answer to the name in the Host header: add it to PARCELA_ALLOWED_HOSTS"
            )
        if not (self._same_site or COOKIE in headers.get("cookie", "")):
            return
        if headers.get("sec-fetch-site") == "same-origin":
            return  # the browser knows, whatever a proxy has made of the Host header
        followed_a_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        foreign = headers.get("sec-fetch-site") in FOREIGN and not followed_a_link
        origin = headers.get("origin")
        if foreign or (origin is not None and _netloc(origin) != host.lower()):
            raise CrossSite("a web page of another site may not ask: use this gateway's own page")


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """A Host header without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
