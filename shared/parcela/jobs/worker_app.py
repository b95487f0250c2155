"""A Celery worker of one stage or several: each bell wakes it to do one job.

Celery gives the process, the queues and the inspection; what is done, and by whom, the ledger says. The worker runs one
thread (``-P threads -c 1``) and computes in a child of each stage.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from celery import Celery
from celery.signals import worker_shutdown, worker_shutting_down

from parcela.jobs.child import ComputeChild
from parcela.jobs.doorbell import Doorbell, celery_app, task_name
from parcela.jobs.ledger import Ledger
from parcela.jobs.records import Stage
from parcela.jobs.worker import Worker
from parcela.processes.lean import be_lean
from parcela.settings import settings
from parcela.store.open import open_store

HOW = ("--pool=threads", "--concurrency=1", "--without-gossip", "--without-mingle")


def worker_app(modules: Mapping[Stage, str]) -> Celery:
    """The application of a worker.

    Args:
        modules: each stage's module, which the compute child imports, such as ``parcela_inference.stage``.
    """
    be_lean()  # its children have this environment
    chosen = settings()
    app = celery_app(chosen.redis_url)
    stopping = threading.Event()
    doorbell = Doorbell(chosen.redis_url)
    for stage, module in modules.items():
        task = StageRunner(stage, module, doorbell, stopping)
        app.task(task.work, name=task_name(stage))
        worker_shutdown.connect(task.leave, weak=False)
    worker_shutting_down.connect(lambda **_: stopping.set(), weak=False)  # SIGTERM, SIGINT
    return app


def run_worker(modules: Mapping[Stage, str]) -> None:
    """Serve these stages until a signal ends it; the job at hand is given back."""
    # Two workers of one host need two names: answers to Celery's questions are told apart by them.
    name = f"{'-'.join(modules)}-{os.getpid()}@%h"
    worker_app(modules).worker_main(
        ["worker", *HOW, "--queues", ",".join(modules), "--hostname", name, "--loglevel", "INFO"]
    )


class StageRunner:
    """What a bell of one stage starts; store and ledger are reached when the first one rings."""

    def __init__(
        self, stage: Stage, module: str, doorbell: Doorbell, stopping: threading.Event
    ) -> None:
        self._stage, self._doorbell, self._stopping = stage, doorbell, stopping
        self._child = ComputeChild(module)
        self._worker: Worker | None = None

    def work(self) -> None:
        """Do one job, if one waits."""
        if self._worker is None:
            self._worker = Worker(
                self._stage,
                Ledger(settings().redis_url),
                open_store(),
                self._child,
                self._doorbell.ring,
                stopping=self._stopping,
            )
        self._worker.work_once()

    def leave(self, **_: object) -> None:
        """End the compute child when the worker stops."""
        self._child.close()
