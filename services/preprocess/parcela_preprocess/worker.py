"""The preprocess worker: ``celery -A parcela_preprocess.worker worker -P threads -c 1 -Q preprocess``."""

from __future__ import annotations

from parcela.jobs.worker_app import worker_app

app = worker_app({"preprocess": "parcela_preprocess.stage"})
