"""Bells on a real Redis: counted, heard by a real Celery worker, and rung again after Redis lost its memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from parcela.jobs.doorbell import Doorbell, broker_url
from parcela.jobs.redis_client import LedgerUnavailable
from patience import patient
from processes import wait_until
from redis_server import RedisServer

OPTIONS = ["-P", "threads", "-c", "1", "-Q", "preprocess", "--loglevel", "error"]
WORKER = """
from pathlib import Path
from parcela.jobs.doorbell import celery_app, task_name

app = celery_app({url!r})

@app.task(name=task_name("preprocess"))
def preprocess():
    with open({heard!r}, "a") as file:
        file.write("ding")
"""


@pytest.fixture
def bell(redis_url: str) -> Doorbell:
    return Doorbell(redis_url)


@contextmanager
def celery_worker(folder: Path, url: str) -> Iterator[Path]:
    """A worker of the first stage, as it is started in the service; gives the file in which it notes each bell."""
    heard = folder / "heard"
    heard.touch()
    (folder / "bell_worker.py").write_text(WORKER.format(url=url, heard=str(heard)))
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "bell_worker", "worker", *OPTIONS],
        cwd=folder,
    )
    try:
        yield heard
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("redis_url", "expected"),
    [
        ("redis://redis:6379/0", "redis://redis:6379/0"),
        ("rediss://:secret@redis:6379/1", "rediss://:secret@redis:6379/1"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
    ],
)
def test_given_a_url_of_redis_then_celery_gets_it_in_its_own_words(
    redis_url: str, expected: str
) -> None:
    assert broker_url(redis_url) == expected


def test_given_rings_that_nobody_heard_then_they_are_counted(bell: Doorbell) -> None:
    assert bell.bells("preprocess") == 0
    assert bell.ring("preprocess")
    assert bell.ring("preprocess")
    assert bell.ring("labelling")
    assert (bell.bells("preprocess"), bell.bells("inference"), bell.bells("labelling")) == (2, 0, 1)


def test_given_a_redis_that_was_emptied_or_restarted_then_bells_ring_on(
    own_redis: RedisServer,
) -> None:
    bell = Doorbell(own_redis.url)
    bell.ring("preprocess")
    own_redis.client.flushall()
    assert bell.ring("preprocess")
    assert bell.bells("preprocess") == 1
    own_redis.restart()
    assert bell.ring("preprocess")
    assert bell.bells("preprocess") >= 1


def test_given_no_redis_then_a_ring_is_not_an_error_but_a_count_is(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell = Doorbell(own_redis.url)
    own_redis.stop()
    monkeypatch.setattr("redis.retry.sleep", lambda _: None)
    begun = time.monotonic()
    assert bell.ring("preprocess") is False
    assert time.monotonic() - begun < patient(1)
    with pytest.raises(LedgerUnavailable):
        bell.bells("preprocess")


def test_given_a_worker_then_it_hears_each_bell_also_after_redis_was_emptied_and_restarted(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    bell = Doorbell(own_redis.url)
    with celery_worker(tmp_path, own_redis.url) as heard:

        def hears(more: str) -> None:
            before = heard.read_text()
            wait_until(lambda: bell.ring("preprocess"))
            wait_until(lambda: heard.read_text() == before + more)
            assert bell.bells("preprocess") == 0

        hears("ding")
        own_redis.client.flushall()
        hears("ding")
        own_redis.restart()
        wait_until(lambda: bell.ring("preprocess"))
        wait_until(lambda: len(heard.read_text()) > 2 * len("ding"))
