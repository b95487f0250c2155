"""A job as the service tells it, and its problem as the error it would have been here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ConfigDict, Field

from parcela.errors import BadRequest, ParcelaError, StepFailed, Unavailable
from parcela.jobs.records import Kind, Stage, Status, is_ending
from parcela.quality.grade import Judgement

M = TypeVar("M", bound=BaseModel)


class RemoteProblem(BaseModel):
    """Problem details (RFC 9457); the last word of ``type`` is the slug of an error of ours."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str = "about:blank"
    title: str = ""
    status: int = 500
    detail: str = ""
    slug: str = ""

    def error(self) -> ParcelaError:
        """The problem as the error that this process would have raised, so that exit codes agree."""
        slug = self.slug or self.type.rstrip("/").rpartition("/")[2].rpartition("#")[2]
        kinds = {kind.slug: kind for kind in _kinds(ParcelaError)}
        kind = kinds.get(slug) or _kind_of(self.status)
        return kind(self.detail or self.title or f"the server answered {self.status}")


class RemoteJob(BaseModel):
    """One job as the server describes it.

    Attributes:
        id: 32 hexadecimal digits.
        kind: ``predict`` or ``label``.
        status: the state it is in; ``done``, ``failed`` and ``cancelled`` are final.
        step: what is being done, as the progress of the command names it.
        progress: from 0 to 1.
        seconds: that each step took.
        problem: why it failed.
        quality: the verdict on the map and its reasons; None before it is done, and from an older server.
        links: paths of what the service offers about it, by name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    kind: Kind
    status: Status
    stage: Stage | None = None
    step: str | None = None
    progress: float = 0.0
    attempt: int = 0
    created: float | None = None
    started: float | None = None
    finished: float | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    problem: RemoteProblem | None = None
    quality: Judgement | None = None
    links: dict[str, str] = Field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return is_ending(self.status)

    def error(self) -> ParcelaError | None:
        """What went wrong, once it has ended without a result; None otherwise."""
        if self.status == "cancelled":
            return StepFailed(f"job {self.id} was cancelled")
        if self.status != "failed":
            return None
        return (self.problem or RemoteProblem(detail=f"job {self.id} failed")).error()


class RemoteModel(BaseModel):
    """A network that the server has, and the record of how it was made."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    variant: str
    sha256: str
    card: dict[str, Any] = Field(default_factory=dict)


def refusal(response: httpx2.Response) -> ParcelaError:
    """The error that a read response with an error status stands for; a stranger's page is never quoted."""
    if response.is_error and "json" in response.headers.get("content-type", ""):
        try:
            problem = RemoteProblem.model_validate(response.json())
        except ValueError:
            pass
        else:
            return problem.model_copy(update={"status": response.status_code}).error()
    where = str(response.request.url.copy_with(query=None))
    return _kind_of(response.status_code)(
        f"{where} answered {response.status_code} {response.reason_phrase}, not as a Parcela server does: "
        "check the server's address"
    )


def read_job(response: httpx2.Response) -> RemoteJob:
    """The job that a response holds; raises `refusal` where it holds none."""
    response.read()
    try:
        return RemoteJob.model_validate_json(response.content)
    except ValueError:
        raise refusal(response) from None


def list_of(name: str, kind: type[M]) -> Callable[[httpx2.Response], list[M]]:
    """How to read a document with one list of such records under ``name``; what it raises is `refusal`."""

    def read(response: httpx2.Response) -> list[M]:
        response.read()
        try:
            return [kind.model_validate(row) for row in response.json()[name]]
        except (ValueError, LookupError, TypeError):
            raise refusal(response) from None

    return read


def _kinds(kind: type[ParcelaError]) -> Iterator[type[ParcelaError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def _kind_of(status: int) -> type[ParcelaError]:
    if status < 500:
        return BadRequest
    return StepFailed if status == 500 else Unavailable
