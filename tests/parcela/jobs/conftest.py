"""The ledger and the installation that the tests of their subjects share."""

from __future__ import annotations

from pathlib import Path

import pytest

from installation import Installation
from parcela.jobs.ledger import Ledger
from redis_server import RedisServer


@pytest.fixture
def ledger(redis_url: str) -> Ledger:
    """An empty ledger whose jobs need not wait between attempts."""
    return Ledger(redis_url, back_off_s=0)


@pytest.fixture
def here(redis_url: str, shared_redis: RedisServer, tmp_path: Path) -> Installation:
    """An installation in order, without jobs."""
    installation = Installation(shared_redis, tmp_path / "store")
    installation.reconciler.run_once()
    return installation
