"""``prepare``: a split cohort, from raw scans to images and labels on the networks' grid.

Every image is finished on its own, under a name that its content and the settings decide: a run that was killed, at
whatever point, goes on where it was when it is repeated, and nothing is computed twice.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from parcela.bundle.manifest import software_versions
from parcela.errors import BadRequest, BadScan, ParcelaError, StepFailed, Unavailable
from parcela.files import write_tsv
from parcela.settings import settings
from parcela_training.cohorts.cohort import PARTS, Image
from parcela_training.cohorts.split import Split
from parcela_training.preparation.contact_sheet import write_contact_sheets
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.preparation.processes import spread
from parcela_training.preparation.settings import LIBRARIES, Preparation, Sources
from parcela_training.preparation.task import HALFWAY, IMAGES, TEMPORARY, Task, do, settle

LOCK, FAILURES = ".lock", "failures.tsv"
TABLES_EVERY_S = 60.0
PROCESS_BYTES = 3 * 1024**3  # one registration with what surrounds it


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be prepared, and why."""

    image: Image
    error: ParcelaError

    @property
    def reason(self) -> str:
        """The error's message on one line."""
        return " ".join(str(self.error).split())


@dataclass(frozen=True, slots=True)
class Step:
    """How far preparing has come, at the start and after each image.

    Attributes:
        total: images to prepare.
        done: finished or failed, those of earlier runs among them.
        finished_before: of those, by earlier runs.
        seconds_left: an estimate; None while nothing has been measured.
        image: the last one; None at the start.
        record: how it was prepared, or why not; None at the start.
    """

    total: int
    done: int
    finished_before: int
    seconds_left: float | None = None
    image: Image | None = None
    record: Mapping[str, Any] | Failure | None = None


@dataclass(frozen=True, slots=True)
class Preparing:
    """What a run of ``prepare`` came to.

    Attributes:
        prepared: the images that succeeded, now or earlier.
        failures: the others.
        made, finished_before: images that this run, and that earlier runs, finished.
        sheets: pages to look at.
    """

    prepared: PreparedSet
    failures: tuple[Failure, ...]
    made: int
    finished_before: int
    sheets: tuple[Path, ...]


def prepare(
    split: Split,
    how: Preparation,
    folder: Path,
    *,
    processes: int = 1,
    force: bool = False,
    on_step: Callable[[Step], None] | None = None,
) -> Preparing:
    """Preprocess and label every image of a split cohort into ``folder``.

    Writes ``images/`` (one file and one picture an image), ``prepared.tsv`` and ``prepared.json`` (see
    ``PreparedSet``), ``failures.tsv`` and contact sheets. An image that fails is listed, and the rest goes on; it is
    tried again when the run is repeated.

    Args:
        split: the cohort; images in no part are left out.
        how: the settings.
        folder: new, empty, or of an earlier run, whatever its settings.
        processes: how many images at a time, each with one thread; about 3 GB of memory each.
        force: prepare images again that are finished.
        on_step: called at the start and after every image.

    Raises:
        BadRequest: another run is preparing into this folder. Unavailable: something is missing from the installation.
        StepFailed: no image of some part could be prepared.
    """
    with _claimed(folder):
        return _Run(split, how, folder, on_step or (lambda _: None)).run(processes, force)


def likely_processes() -> int:
    """One per core that this process may use, as far as the free memory goes; results do not depend on it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free = int(psutil.virtual_memory().available)
    return max(1, min(cores or 1, free // PROCESS_BYTES))


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """The folder for one run alone; what a killed one left half-written is swept."""
    for name in (IMAGES, HALFWAY, TEMPORARY):
        (folder / name).mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        with lock:
            for part in (*folder.glob(".*.part"), *folder.glob("*/.*.part")):
                part.unlink(missing_ok=True)
            for left in (folder / TEMPORARY).iterdir():
                shutil.rmtree(left, ignore_errors=True)
            yield
    except Timeout as error:
        raise BadRequest(
            f"{folder}: another run is preparing into it: wait for it to end"
        ) from error


class _Run:
    """One call of ``prepare``: the records and failures so far."""

    def __init__(
        self, split: Split, how: Preparation, folder: Path, on_step: Callable[[Step], None]
    ) -> None:
        self.split, self.how, self.folder, self.on_step = split, how, folder, on_step
        self.images = [image for part in PARTS for image in split.images(part)]
        self.records: dict[str, Mapping[str, Any]] = {}
        self.failures: list[Failure] = []
        self.tasks: list[Task] = []
        self.finished_before = 0

    def run(self, processes: int, force: bool) -> Preparing:
        self._look(processes, force)
        waiting = [task for task in self.tasks if task.image.id not in self.records]
        # The longest first, so that the processes end together.
        waiting.sort(key=lambda task: -task.cost_s)
        self._write_tables(complete=False)
        self.on_step(self._step())
        self._work(waiting, processes)
        prepared = self._write_tables(complete=True)
        sheets = self._draw(prepared)
        _check_parts(prepared)
        made = len(self.records) - self.finished_before
        return Preparing(prepared, tuple(self.failures), made, self.finished_before, tuple(sheets))

    def _look(self, processes: int, force: bool) -> None:
        """Hash every image's files, and find those that are finished."""
        with ThreadPoolExecutor(max(2, processes)) as pool:
            hashed = list(pool.map(self._sources, self.images))
        for image, sources in zip(self.images, hashed, strict=True):
            if isinstance(sources, ParcelaError):
                self.failures.append(Failure(image, sources))
                continue
            task = Task(image, self.how, sources, self.folder)
            self.tasks.append(task)
            if force:
                task.forget()
            elif (record := task.record()) is not None:
                self.records[image.id] = record
        self.finished_before = len(self.records)

    def _sources(self, image: Image) -> Sources | ParcelaError:
        try:
            return self.how.sources(image)
        except OSError as error:
            return BadScan(f"{error.filename}: cannot be read ({error.strerror}): check the disk")

    def _work(self, waiting: Sequence[Task], processes: int) -> None:
        started = written = time.monotonic()
        left, spent = sum(task.cost_s for task in waiting), 0.0
        with closing(spread(do, waiting, processes, partial(settle, self.folder))) as outcomes:
            for task, outcome in outcomes:
                self._note(task, outcome)
                left, spent = left - task.cost_s, spent + task.cost_s
                now = time.monotonic()
                self.on_step(self._step(task.image, outcome, (now - started) * left / spent))
                if now - written > TABLES_EVERY_S:
                    self._write_tables(complete=False)
                    written = now

    def _note(self, task: Task, outcome: Mapping[str, Any] | ParcelaError) -> None:
        if isinstance(outcome, Unavailable):
            raise outcome  # the same for every image
        if isinstance(outcome, ParcelaError):
            self.failures.append(Failure(task.image, outcome))
        else:
            self.records[task.image.id] = outcome

    def _step(
        self,
        image: Image | None = None,
        outcome: Mapping[str, Any] | ParcelaError | None = None,
        seconds_left: float | None = None,
    ) -> Step:
        done = len(self.records) + len(self.failures)
        record = self.failures[-1] if isinstance(outcome, ParcelaError) else outcome
        return Step(len(self.images), done, self.finished_before, seconds_left, image, record)

    def _write_tables(self, *, complete: bool) -> PreparedSet:
        files = {task.image.id: task.file.relative_to(self.folder) for task in self.tasks}
        rows = [
            _row(image, self.records[image.id], files[image.id])
            for image in sorted(self.images, key=lambda image: image.id)
            if image.id in self.records
        ]
        prepared = PreparedSet(self.folder, tuple(rows), self._record(complete))
        prepared.write()
        failures = [
            (f.image.id, f.image.subject, f.image.dataset, f.image.split, f.error.slug, f.reason)
            for f in sorted(self.failures, key=lambda failure: failure.image.id)
        ]
        columns = ("id", "subject", "dataset", "split", "kind", "reason")
        write_tsv(self.folder / FAILURES, columns, failures)
        return prepared

    def _record(self, complete: bool) -> dict[str, Any]:
        return {
            **asdict(self.how),
            "complete": complete,
            "cohort": self.split.cohort.name,
            "images": len(self.images),
            "failed": len(self.failures),
            "split_by": self.split.by,
            "split_seed": self.split.seed,
            "warnings": [*self.split.cohort.warnings, *self.split.warnings],
            "itk_threads": settings().itk_threads,
            "software": software_versions(LIBRARIES),
        }

    def _draw(self, prepared: PreparedSet) -> list[Path]:
        tiles = {task.image.id: task.tile for task in self.tasks}
        title = f"{self.split.cohort.name} · {self.how.preset} · {len(prepared.rows)} images"
        return write_contact_sheets(
            self.folder, [(tiles[row["id"]], row) for row in prepared.rows], title
        )


def _row(image: Image, record: Mapping[str, Any], file: Path) -> dict[str, str]:
    seconds = record["seconds"]
    return {
        "id": image.id,
        "subject": image.subject,
        "dataset": image.dataset,
        "split": image.split or "",
        "file": file.as_posix(),
        "mask_from": record["mask_from"],
        "label_from": record["label_from"],
        "verdict": record["verdict"],
        "reasons": "; ".join(record["reasons"]) or "n/a",
        "seconds_preprocessing": f"{seconds['preprocessing']:.1f}",
        "seconds_registration": f"{seconds['registration']:.1f}"
        if "registration" in seconds
        else "n/a",
        "seconds_total": f"{seconds['total']:.1f}",
    }


def _check_parts(prepared: PreparedSet) -> None:
    for part in PARTS:
        if not prepared.files(part):
            raise StepFailed(
                f"no image of the part {part} could be prepared: {prepared.folder / FAILURES} says why"
            )
