"""What every test may rely on: no setting of the caller's leaks in, and property tests repeat."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from patience import QUICK_TEST_S, SLOW_TEST_S, patient

if TYPE_CHECKING:  # most tests need no service: what runs one is loaded where a test asks for it
    from gateway_server import Gateway
    from parcela.settings import Settings
    from redis_server import RedisServer

CHECKOUT = Path(__file__).resolve().parents[1]

pytest_plugins = ["redis_server"]

for name in [name for name in os.environ if name.startswith("PARCELA_")]:
    if not name.startswith("PARCELA_TEST_"):  # those are for the tests
        del os.environ[name]

# PyTorch's idle threads would spin for work, on cores that others need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Native programs that a test runs in this process: as they run in one of their own.
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")
os.environ.setdefault("ANTS_RANDOM_SEED", "1")

# A shell starts a job in the background (`make test &`) with SIGINT ignored; what we start inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine is too uneven for a deadline per example; CI draws the same examples every time.
settings.register_profile("parcela", deadline=None)
settings.register_profile("ci", settings.get_profile("parcela"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "parcela")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test its time; one that the command line names holds for all."""
    if config.getoption("timeout") is None:
        for item in items:
            slow = item.get_closest_marker("slow") is not None
            item.add_marker(pytest.mark.timeout(patient(SLOW_TEST_S if slow else QUICK_TEST_S)))


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the source tree."""
    return CHECKOUT


@pytest.fixture(scope="module")
def standing(
    shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One gateway for all tests of a module that leave nothing behind."""
    from gateway_server import serving
    from parcela.settings import Settings

    store = tmp_path_factory.mktemp("standing") / "store"
    with serving(Settings(redis=shared_redis.url, store=str(store))) as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
def either_store(
    request: pytest.FixtureRequest, redis_url: str, tmp_path: Path
) -> Iterator[Settings]:
    """The settings of an installation, once with a store of either kind."""
    from parcela.settings import Settings

    if request.param == "folder":
        yield Settings(redis=redis_url, store=str(tmp_path / "store"))
        return
    from s3_server import s3_server, store_settings

    with s3_server() as server:
        yield store_settings(server).model_copy(update={"redis": redis_url})
