"""A job: what was asked, where it stands, how it ended.

Records that outlive a process (`JobRequest`, `Outcome`) carry a version and are frozen.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeGuard

from pydantic import Field, model_validator

from parcela.errors import ParcelaError
from parcela.options import LabelOptions, Options, PredictOptions
from parcela.quality.grade import Judgement
from parcela.record import Record

Kind = Literal["predict", "label"]
Stage = Literal["preprocess", "inference", "labelling"]
Status = Literal[
    "queued", "preprocessing", "parcellating", "labelling", "done", "failed", "cancelled"
]
Ending = Literal["done", "failed", "cancelled"]

TERMINAL: frozenset[Status] = frozenset({"done", "failed", "cancelled"})
STAGES: dict[Kind, tuple[Stage, ...]] = {
    "predict": ("preprocess", "inference"),
    "label": ("preprocess", "labelling"),
}
STATUS_OF: dict[Stage, Status] = {
    "preprocess": "preprocessing",
    "inference": "parcellating",
    "labelling": "labelling",
}

_ID = re.compile(r"[0-9a-f]{32}")
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


OPTIONS: dict[str, type[PredictOptions] | type[LabelOptions]] = {
    "predict": PredictOptions,
    "label": LabelOptions,
}


class JobRequest(Record):
    """What was asked: written to the store once, after the scan.

    ``owner`` is a hash of the caller's key, or ``local``; ``created`` is Unix seconds; ``sha256`` and ``size`` (bytes)
    are those of the file as it was received, before it was scrubbed. ``upload`` is the token under which the scan lies,
    ``kept_sha256`` the hash of the file that does; version 1 had neither. ``software`` made that file of another kind
    of file.
    """

    version: Literal[1, 2] = 2
    id: Id
    upload: str = ""
    kind: Kind
    owner: str
    created: float
    sha256: str
    size: int
    kept_sha256: str = ""
    software: Mapping[str, str] = {}
    options: PredictOptions | LabelOptions

    def asks_the_same(self, other: JobRequest) -> bool:
        """Whether another request is for the same of the same scan."""
        return (self.sha256, self.kind, self.options) == (other.sha256, other.kind, other.options)

    @model_validator(mode="before")
    @classmethod
    def _options_of_its_kind(cls, values: Any) -> Any:
        """Read the options as the kind's own class: the two share fields, so the class cannot be guessed."""
        if isinstance(values, dict) and values.get("kind") in OPTIONS:
            expected = OPTIONS[values["kind"]]
            given = values.get("options", {})
            if isinstance(given, Options) and not isinstance(given, expected):
                raise ValueError(
                    f"a {values['kind']} job takes {expected.__name__}, not {type(given).__name__}"
                )
            return values | {"options": expected.model_validate(given)}
        return values


class Problem(Record):
    """Why a job failed, in the fields of a problem document (RFC 9457)."""

    slug: str
    title: str
    status: int
    detail: str

    @classmethod
    def of(cls, error: ParcelaError) -> Self:
        """The problem that an error describes."""
        title = error.slug.replace("-", " ").capitalize()
        return cls(slug=error.slug, title=title, status=error.status, detail=str(error))


class Job(Record):
    """Where a job stands: one row of the ledger.

    ``stage`` is the one it waits for or is in, none once it has ended; ``waiting`` says which of the two. ``step`` and
    ``progress`` (0–1, of the whole job) are the worker's last words, ``attempt`` counts the starts of this stage.
    ``tokens`` names the winning attempt of each finished stage; ``seconds`` is the time each took. ``quality`` is the
    verdict on the map; none before there is one, and of a release that gave none.
    """

    id: Id
    kind: Kind
    owner: str
    status: Status
    stage: Stage | None
    waiting: bool
    step: str = ""
    progress: float = Field(0.0, ge=0, le=1)
    attempt: int = 0
    created: float
    started: float | None = None
    finished: float | None = None
    tokens: Mapping[Stage, str] = {}
    problem: Problem | None = None
    seconds: Mapping[str, float] = {}
    quality: Judgement | None = None

    @property
    def ended(self) -> bool:
        """Whether it has reached a terminal state."""
        return is_ending(self.status)

    @property
    def token(self) -> str | None:
        """The winning token of the last stage: where the result lies. None unless done."""
        return self.tokens.get(STAGES[self.kind][-1]) if self.status == "done" else None


class Outcome(Record):
    """How a job ended: written to the store, all that a poll needs when the ledger has forgotten the job."""

    version: Literal[1] = 1
    state: Ending
    token: str | None
    finished: float
    problem: Problem | None = None
    seconds: Mapping[str, float] = {}
    quality: Judgement | None = None
    owner: str
    kind: Kind
    created: float

    @classmethod
    def of(cls, job: Job) -> Self:
        """The outcome of a job that has ended.

        Raises:
            ValueError: it has not.
        """
        if not is_ending(job.status):
            raise ValueError(f"job {job.id} has not ended: it is {job.status}")
        return cls(
            state=job.status,
            token=job.token,
            finished=time.time() if job.finished is None else job.finished,
            problem=job.problem,
            seconds=job.seconds,
            quality=job.quality,
            owner=job.owner,
            kind=job.kind,
            created=job.created,
        )

    def job(self, job_id: str) -> Job:
        """The job as a poll shows it, made from its outcome alone."""
        done = self.state == "done" and self.token is not None
        return Job(
            id=job_id,
            kind=self.kind,
            owner=self.owner,
            status=self.state,
            stage=None,
            waiting=False,
            progress=1.0 if done else 0.0,
            created=self.created,
            finished=self.finished,
            tokens={STAGES[self.kind][-1]: self.token} if done and self.token else {},
            problem=self.problem,
            seconds=self.seconds,
            quality=self.quality,
        )


class Tombstone(Record):
    """A record that a job was deleted, and when (Unix seconds).

    ``mark`` tells its owner, and nobody else, that it was theirs; older releases left none.
    """

    deleted: float
    mark: str = ""

    @classmethod
    def of(cls, job_id: str, owner: str) -> Self:
        """The tombstone of a job that is deleted now."""
        return cls(deleted=time.time(), mark=_mark(job_id, owner))

    def is_of(self, job_id: str, owner: str) -> bool:
        """Whether the job may be said to have been this owner's."""
        return not self.mark or hmac.compare_digest(self.mark, _mark(job_id, owner))


def _mark(job_id: str, owner: str) -> str:
    """A hash with the owner as its key: two tombstones of one owner have nothing in common."""
    return hmac.new(owner.encode(), job_id.encode(), hashlib.sha256).hexdigest()


def is_ending(status: Status) -> TypeGuard[Ending]:
    """Whether a status is terminal."""
    return status in TERMINAL


def new_id() -> str:
    """A job's id: 128 random bits as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether a text may be a job's id."""
    return _ID.fullmatch(text) is not None
