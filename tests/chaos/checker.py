"""The verdict: accepted means exactly one end and one result, equal to the undisturbed one; deleted means gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from parcela.jobs.ledger import Transition
from parcela.jobs.records import TERMINAL, Job, Outcome


@dataclass
class Evidence:
    """What was found once all was quiet again.

    Attributes:
        expected: the undisturbed result of each accepted job.
        deleted: those among them that were deleted.
        eras: the ledger's log, begun anew after each loss of Redis's memory.
        rows: each job's row.
        outcomes: each job's outcome in the store.
        results: the result under the winning token.
        left: how many files of each job the store holds.
        remarks: what was seen on the way and should not have been.
    """

    expected: dict[str, bytes]
    deleted: set[str] = field(default_factory=set)
    eras: list[list[Transition]] = field(default_factory=list)
    rows: dict[str, Job] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def violations(evidence: Evidence) -> list[str]:
    """Everything that broke a promise; empty when all were kept."""
    found = list(evidence.remarks)
    for job_id in evidence.expected:
        judge = _deleted if job_id in evidence.deleted else _accepted
        found += [f"{job_id}: {what}" for what in judge(evidence, job_id)]
    for number, era in enumerate(evidence.eras, 1):
        found += [f"era {number}: {what}" for what in _log(era)]
    return found


def _by_a_holder(entry: Transition) -> bool:
    """Whether a step is one that only the job's holder may take."""
    return entry.why in ("advanced", "released") or entry.why.startswith("failed:")


def redeliveries(evidence: Evidence) -> int:
    """How often a job was taken from its worker, or begun again: without any, nothing was shown."""
    again = ("lease expired", "released", "restored")
    return sum(
        entry.why in again or entry.why.startswith("failed:")
        for era in evidence.eras
        for entry in era
    )


def _accepted(evidence: Evidence, job_id: str) -> Iterator[str]:
    row, outcome = evidence.rows.get(job_id), evidence.outcomes.get(job_id)
    if row is None:
        yield "lost"
    elif row.status not in TERMINAL:
        yield f"stuck: {row.status}, {'waiting' if row.waiting else 'running'}"
    elif outcome is None:
        yield "no outcome in the store"
    elif (row.status, row.token) != (outcome.state, outcome.token):
        yield f"two ends: {row.status} {row.token}, {outcome.state} {outcome.token} in the store"
    elif row.status != "done":
        yield f"{row.status}: {row.problem}"
    elif evidence.results.get(job_id) != evidence.expected[job_id]:
        yield "its result differs from the undisturbed one"


def _deleted(evidence: Evidence, job_id: str) -> Iterator[str]:
    if job_id in evidence.rows:
        yield "deleted, and back in the ledger"
    if evidence.left.get(job_id):
        yield f"deleted, and {evidence.left[job_id]} files of it are left"


def _log(era: list[Transition]) -> Iterator[str]:
    """A log's own contradictions: a step from where the job was not, by one who had it not, or after its end."""
    state: dict[str, str] = {}
    holder: dict[str, str] = {}
    for entry in era:
        if not entry.id:
            continue
        before = state.get(entry.id, "absent")
        if entry.was != before:
            yield f"{entry.id} was {before}, not {entry.was}, when {entry.why}"
        if before in TERMINAL and entry.became != "absent":
            yield f"{entry.id} had ended ({before}) when {entry.why}"
        if _by_a_holder(entry) and entry.token != holder.get(entry.id):
            yield f"{entry.id} was another's when {entry.why} by {entry.worker}"
        state[entry.id] = entry.became
        holder[entry.id] = entry.token if entry.became == "running" else ""
