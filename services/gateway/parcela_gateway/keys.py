"""Callers' keys. The hash of a key is the owner of its jobs; the key itself is kept nowhere.

A browser's links and event streams send no headers of ours. So the page exchanges a key for a cookie, which holds the
time it ends and a code that only who has the key can make: nothing is stored, and a key taken away ends its cookies.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from parcela.errors import Unavailable
from parcela.settings import Settings
from parcela_gateway.problem import Refused

LOCAL = "local"  # the one owner where no keys are
SHORTEST = 16  # characters of a key that is not guessed
COOKIE = "parcela_session"
SESSION_S = 12 * 3600


class NoKey(Refused):
    """A key is needed, and none of ours was given."""

    status = 401
    slug = "no-key"


class KeysMissing(Unavailable):
    """This gateway can be reached by others and has no keys, or unusable ones: it does not start."""

    slug = "keys-missing"


@dataclass(frozen=True)
class Keys:
    """The callers that are let in, by the hash of their key; none: everyone on this computer is one caller.

    ``secrets`` makes each caller's cookies: another hash of the key, which is written nowhere.
    """

    owners: tuple[str, ...]
    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Keys:
        """The keys that the settings name.

        Raises:
            KeysMissing: none, though others than this computer reach the gateway; or one too short.
        """
        keys = [*_listed(settings.api_keys), *_in_file(settings.api_keys_file)]
        if any(len(key) < SHORTEST for key in keys):
            raise KeysMissing(
                f"a key of PARCELA_API_KEYS is shorter than {SHORTEST} characters: make one with "
                "`openssl rand -hex 16`"
            )
        if not keys and not is_loopback(address := settings.published or settings.host):
            raise KeysMissing(
                f"{address} is reached from other computers: set PARCELA_API_KEYS, or publish on 127.0.0.1"
            )
        return cls(tuple(_owner(key) for key in keys), tuple(_secret(key) for key in keys))

    @property
    def needed(self) -> bool:
        return bool(self.owners)

    def owner(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> str:
        """Whose request this is: by a key in its headers, else by the cookie of one who has signed in.

        Raises:
            NoKey: none of our keys, and no cookie that holds.
        """
        if has_key(headers):
            return self.owner_of_key(headers)
        return self._signed_in(cookies.get(COOKIE, "")) or self.owner_of_key(headers)

    def owner_of_key(self, headers: Mapping[str, str]) -> str:
        """Whose key comes in ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``.

        Raises:
            NoKey: neither holds one of our keys.
        """
        if not self.owners:
            return LOCAL
        given = _owner(sent_key(headers))
        # Every key is compared, however early one fits: the time taken says nothing.
        fits = [hmac.compare_digest(given, owner) for owner in self.owners]
        if not any(fits):
            raise NoKey(
                "a key is needed: send the header `Authorization: Bearer KEY`",
                headers={"WWW-Authenticate": 'Bearer realm="parcela"'},
            )
        return given

    def cookie(self, owner: str) -> str:
        """What the cookie of a caller holds from now on, for ``SESSION_S``: ``<Unix seconds>.<code>``."""
        until = str(int(time.time()) + SESSION_S)
        return f"{until}.{_code(self.secrets[self.owners.index(owner)], until)}"

    def _signed_in(self, cookie: str) -> str | None:
        """Whose cookie this is; None where it is nobody's, or over."""
        until, _, code = cookie.partition(".")
        if not (until.isascii() and until.isdigit() and len(until) < 12 and code.isascii()):
            return None
        fits = [hmac.compare_digest(code, _code(secret, until)) for secret in self.secrets]
        if int(until) < time.time() or not any(fits):
            return None
        return self.owners[fits.index(True)]


def sent_key(headers: Mapping[str, str]) -> str:
    """What comes in ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``; empty where neither does."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return (key if scheme.lower() == "bearer" else headers.get("x-api-key", "")).strip()


def has_key(headers: Mapping[str, str]) -> bool:
    """Whether a request brings a key, right or wrong."""
    return "authorization" in headers or "x-api-key" in headers


def _secret(key: str) -> bytes:
    return hmac.new(key.encode(), b"parcela session", hashlib.sha256).digest()


def _code(secret: bytes, until: str) -> str:
    return hmac.new(secret, until.encode(), hashlib.sha256).hexdigest()


def _owner(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _listed(text: str) -> list[str]:
    return [key for part in text.split(",") if (key := part.strip())]


def _in_file(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise KeysMissing(
            f"PARCELA_API_KEYS_FILE={file} cannot be read ({error.strerror})"
        ) from error
    return [key for line in lines if (key := line.strip()) and not key.startswith("#")]


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this computer only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
