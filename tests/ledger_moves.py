"""Moves of a job in a ledger, for tests: it is claimed, looked up, and taken to its end."""

from __future__ import annotations

from parcela.errors import StepFailed
from parcela.jobs.ledger import Claim, Ledger
from parcela.jobs.records import Job, JobRequest, Problem, Stage

PROBLEM = Problem.of(StepFailed("robex crashed (SIGSEGV)"))
LEASE_S = 30


def claimed(ledger: Ledger, stage: Stage = "preprocess", lease_s: float = LEASE_S) -> Claim:
    claim = ledger.claim(stage, "worker-1", lease_s)
    assert claim is not None
    return claim


def known(ledger: Ledger, request: JobRequest) -> Job:
    job = ledger.get(request.id)
    assert job is not None
    return job


def finish(ledger: Ledger) -> Job:
    """Let the oldest job go through both stages."""
    ledger.advance(claimed(ledger), {})
    claim = claimed(ledger, "inference")
    ledger.advance(claim, {})
    job = ledger.get(claim.job.id)
    assert job is not None
    return job
