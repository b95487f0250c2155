"""What the store holds of one job, seen in one listing: enough to decide what is missing and what is left over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath

from parcela.jobs.records import STAGES, Outcome, Stage, is_id, job_prefix
from parcela.store.store import Store, Stored

REQUEST, OUTCOME = "request.json", "outcome.json"
# An attempt of the preprocessing that left all of these was finished, whatever became of its worker.
LEFT_BY_PREPROCESS = {"image.npy", "brain_mask.npy", "trail.json", "preprocessed.json"}


@dataclass(frozen=True)
class JobFiles:
    """A job's files by their names below its prefix."""

    id: str
    files: dict[str, Stored]

    @property
    def accepted(self) -> bool:
        """Whether the job was committed (and not erased since)."""
        return REQUEST in self.files

    @property
    def accepted_at(self) -> float:
        """When it was committed, Unix seconds; 0 if it was not."""
        return self.files[REQUEST].modified if self.accepted else 0.0

    @property
    def ended(self) -> bool:
        """Whether its outcome is written down."""
        return OUTCOME in self.files

    @property
    def ended_at(self) -> float:
        """When its outcome was written, Unix seconds."""
        return self.files[OUTCOME].modified

    @property
    def touched_at(self) -> float:
        """When its newest file was written, Unix seconds."""
        return max(file.modified for file in self.files.values())

    def attempts(self) -> dict[str, float]:
        """Every attempt that left files, as ``stage/token``, and when its newest was written."""
        found: dict[str, float] = {}
        for name, file in self.files.items():
            stage, *rest = PurePosixPath(name).parts
            if len(rest) > 1:
                attempt = f"{stage}/{rest[0]}"
                found[attempt] = max(found.get(attempt, 0.0), file.modified)
        return found

    @property
    def tidy(self) -> bool:
        """Whether at most one attempt left files, and that of a last stage: there is nothing to tidy up."""
        attempts = self.attempts()
        return len(attempts) <= 1 and not any(name.startswith("preprocess/") for name in attempts)

    def finished_stages(self) -> dict[Stage, str]:
        """First stages of which an attempt left all that the next stage needs, and that attempt's token."""
        for attempt in sorted(self.attempts()):
            stage, token = attempt.split("/")
            names = {PurePosixPath(n).name for n in self.files if n.startswith(f"{attempt}/")}
            if stage == "preprocess" and names >= LEFT_BY_PREPROCESS:
                return {"preprocess": token}
        return {}

    def left_over(self, outcome: Outcome, before: float) -> list[str]:
        """Attempts that the result of this finished job does not need, none of them touched since ``before``."""
        winner = f"{STAGES[outcome.kind][-1]}/{outcome.token}"
        return [
            attempt
            for attempt, touched in self.attempts().items()
            if attempt != winner and touched < before
        ]


def jobs_in(store: Store) -> Iterator[JobFiles]:
    """Every job that the store knows of."""

    def job_id(file: Stored) -> str:
        return file.key.split("/")[1]

    for found, files in groupby(store.list("jobs"), key=job_id):
        if is_id(found):
            prefix = job_prefix(found)
            yield JobFiles(found, {file.key.removeprefix(prefix): file for file in files})
