"""Requests for tests: small, valid, each with an id of its own."""

from __future__ import annotations

import time

from parcela.jobs.records import JobRequest, Kind, new_id
from parcela.options import LabelOptions, PredictOptions


def job_request(
    kind: Kind = "predict", *, owner: str = "local", created: float | None = None
) -> JobRequest:
    """A request for a new job, made now unless said otherwise."""
    return JobRequest(
        id=new_id(),
        upload=new_id(),
        kind=kind,
        owner=owner,
        created=time.time() if created is None else created,
        sha256="ab" * 32,
        size=10,
        options=PredictOptions() if kind == "predict" else LabelOptions(),
    )
