"""The labelling worker: ``celery -A parcela_labelling.worker worker -P threads -c 1 -Q labelling``."""

from __future__ import annotations

from parcela.jobs.worker_app import worker_app

app = worker_app({"labelling": "parcela_labelling.stage"})
