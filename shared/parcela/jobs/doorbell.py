"""The doorbell: a Celery message that says "this stage has work", and nothing else.

Bells are hints: any of them may get lost, come twice or come for nothing. Which job is done next, and by whom, is the
ledger's to say; the reconciler rings again where jobs wait and no bell is left.
"""

from __future__ import annotations

import re
from contextlib import suppress

from celery import Celery
from celery.exceptions import OperationalError

from parcela.jobs.records import Stage
from parcela.jobs.redis_client import connect, reported

# Bells are taken off their list when heard, not kept aside until a worker says so: a lost one is rung again.
TRANSPORT = {"ack_emulation": False, "socket_connect_timeout": 5, "socket_timeout": 5}


def celery_app(redis_url: str) -> Celery:
    """The Celery application of gateway and workers: a queue per stage, no results, no arguments.

    Args:
        redis_url: the ledger's Redis, as in PARCELA_REDIS (``redis://…`` or ``unix://…``).
    """
    app = Celery("parcela", broker=broker_url(redis_url), set_as_current=False)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=TRANSPORT,
        task_ignore_result=True,
        worker_disable_prefetch=True,  # a busy worker must not hoard the bells of idle ones
        worker_prefetch_multiplier=1,
    )
    return app


def task_name(stage: Stage) -> str:
    """The one task that a worker of this stage registers."""
    return f"parcela.{stage}"


def broker_url(redis_url: str) -> str:
    """The URL that Celery wants for what redis-py calls ``redis_url``; only Unix sockets differ."""
    socket = re.fullmatch(r"unix://(?P<path>[^?]+)(\?db=(?P<db>\d+))?", redis_url)
    if socket is None:
        return redis_url
    return f"redis+socket://{socket['path']}?virtual_host={socket['db'] or 0}"


class Doorbell:
    """Rings for workers, and counts the bells that nobody has heard yet."""

    def __init__(self, redis_url: str) -> None:
        self.app = celery_app(redis_url)
        self._redis = connect(redis_url)

    def ring(self, stage: Stage) -> bool:
        """Say that a stage has work; whether that could be said. The job waits in the ledger either way."""
        with suppress(OperationalError):
            self.app.send_task(
                task_name(stage),
                queue=stage,
                ignore_result=True,
                retry=True,
                retry_policy={"max_retries": 1, "interval_start": 0},
            )
            return True
        return False

    def bells(self, stage: Stage) -> int:
        """How many bells of a stage wait to be heard.

        Raises:
            LedgerUnavailable: Redis does not answer.
        """
        with reported():
            return int(self._redis.llen(stage))
