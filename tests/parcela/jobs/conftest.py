"""The ledger that the tests of its subjects share."""

from __future__ import annotations

import pytest

from parcela.jobs.ledger import Ledger


@pytest.fixture
def ledger(redis_url: str) -> Ledger:
    """An empty ledger whose jobs need not wait between attempts."""
    return Ledger(redis_url, back_off_s=0)
