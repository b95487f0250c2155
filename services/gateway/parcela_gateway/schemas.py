"""A job as the API shows it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from parcela.jobs.records import Job, Kind, Stage, Status
from parcela.quality.grade import Judgement
from parcela_gateway.prefix import under_prefix
from parcela_gateway.problem import ProblemDocument


class JobDocument(BaseModel):
    """Where a job stands. Times are Unix seconds."""

    id: str = Field(description="32 hexadecimal digits", pattern="^[0-9a-f]{32}$")
    kind: Kind
    status: Status = Field(description="`done`, `failed` and `cancelled` are final")
    stage: Stage | None = Field(
        description="the stage it waits for or is in; none once it has ended"
    )
    waiting: bool = Field(description="whether it waits for that stage")
    step: str = Field(description="what is being done")
    progress: float = Field(description="of the whole job", ge=0, le=1)
    attempt: int = Field(description="starts of this stage")
    created: float
    started: float | None
    finished: float | None
    seconds: dict[str, float] = Field(description="that each step took")
    problem: ProblemDocument | None = Field(description="why it failed")
    quality: Judgement | None = Field(
        description="the verdict on the map, once it is done; none where a release that gave none made it"
    )
    links: dict[str, str] = Field(description="what there is to ask about it, by name")


class JobList(BaseModel):
    """The caller's jobs, the newest first."""

    jobs: list[JobDocument]


def job_path(job_id: str) -> str:
    return under_prefix(f"/jobs/{job_id}")


def view(job: Job) -> JobDocument:
    """The document of a job."""
    return JobDocument(
        **job.model_dump(exclude={"owner", "tokens", "problem"}),
        problem=ProblemDocument.of(job.problem) if job.problem else None,
        links=_links(job),
    )


def _links(job: Job) -> dict[str, str]:
    here = job_path(job.id)
    links = {"self": here, "events": f"{here}/events"}
    if job.status == "done":
        links |= {
            "result": f"{here}/result",
            "files": f"{here}/files",
            "bundle": f"{here}/bundle.zip",
        }
    return links
