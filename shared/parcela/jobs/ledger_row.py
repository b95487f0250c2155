"""How the ledger writes a job down: the fields of its hash, the entries of its log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import ValidationError

from parcela.jobs.records import Job, Problem
from parcela.quality.grade import Judgement
from parcela.record import BadRecord

State = Literal["absent", "waiting", "running", "done", "failed", "cancelled", "unknown"]

DOCUMENTS: Mapping[str, type[Problem | Judgement]] = {"problem": Problem, "quality": Judgement}


@dataclass(frozen=True)
class Transition:
    """One line of the log. ``at`` is Unix seconds; ``why`` says what happened."""

    at: float
    id: str
    was: State
    became: State
    stage: str
    token: str
    attempt: int
    worker: str
    why: str


def flat(fields: Mapping[str, Any]) -> list[object]:
    return [part for pair in fields.items() for part in pair]


def pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def row_of(job: Job) -> dict[str, object]:
    """A job as the fields of its hash. What is None has no field; an empty stage is none."""
    row = job.model_dump(exclude={"id", "waiting", "stage", "tokens", "seconds", *DOCUMENTS})
    row |= {"waiting": int(job.waiting), "stage": job.stage or ""}
    row |= {f"token:{stage}": token for stage, token in job.tokens.items()}
    row |= {f"seconds:{name}": value for name, value in job.seconds.items()}
    documents = {name: getattr(job, name) for name in DOCUMENTS}
    row |= {name: document and document.to_json() for name, document in documents.items()}
    return {name: value for name, value in row.items() if value is not None}


def job_of(job_id: str, row: Mapping[str, str]) -> Job:
    """The job that a hash describes.

    Raises:
        BadRecord: it describes none, or one of another release.
    """
    fields: dict[str, Any] = {
        name: value for name, value in row.items() if name in Job.model_fields
    }
    fields |= {
        "id": job_id,
        "stage": row.get("stage") or None,
        "tokens": _prefixed(row, "token:"),
        "seconds": _prefixed(row, "seconds:"),
    }
    fields |= {name: kind.from_json(row[name]) for name, kind in DOCUMENTS.items() if name in row}
    try:
        return Job.model_validate(fields)
    except ValidationError as error:
        raise BadRecord(f"unreadable row of job {job_id}: {error.errors()[0]['msg']}") from error


def _prefixed(row: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)
    }


def transition_of(moment: str, fields: Mapping[str, str]) -> Transition:
    """One entry of the stream; its id begins with Unix milliseconds."""
    words = dict(fields) | {"attempt": int(fields["attempt"] or 0)}
    return Transition(at=int(moment.split("-")[0]) / 1000, **cast("dict[str, Any]", words))
