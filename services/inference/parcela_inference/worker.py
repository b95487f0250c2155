"""The inference worker: ``celery -A parcela_inference.worker worker -P threads -c 1 -Q inference``."""

from __future__ import annotations

from parcela.jobs.worker_app import worker_app

app = worker_app({"inference": "parcela_inference.stage"})
