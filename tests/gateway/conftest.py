"""A gateway over a real Redis and a folder, for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway_server import Gateway, serving
from parcela.settings import Settings
from redis_server import redis_url, shared_redis

__all__ = ["redis_url", "shared_redis"]

Start = Callable[..., Gateway]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a gateway with the settings given."""
    with ExitStack() as stack:

        def started(**settings: Any) -> Gateway:
            given = {"redis": redis_url, "store": str(tmp_path / "store")} | settings
            return stack.enter_context(serving(Settings(**given)))

        yield started


@pytest.fixture
def gateway(start: Start) -> Gateway:
    """One with the settings as they are."""
    return start()
