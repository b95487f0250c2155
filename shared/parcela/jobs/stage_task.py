"""One attempt of one stage, as the stage sees it: what was asked, the files of the stages before, where its own go."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from parcela.bundle.manifest import Origin
from parcela.imaging.volume import Volume, read_volume
from parcela.jobs.job_files import read_request
from parcela.jobs.keys import SCAN, scan_key, stage_key, stage_prefix
from parcela.jobs.records import JobRequest, Stage
from parcela.quality.grade import Judgement
from parcela.store.checksums import (
    SUMS,
    DamagedFile,
    check_bytes,
    check_names,
    hashes_in,
    read_sums,
    sums,
)
from parcela.store.store import Store


class DamagedInputs(DamagedFile):
    """What an earlier stage left is damaged, or gone: that stage is done again."""

    slug = "damaged-inputs"

    def __init__(self, message: str, stage: Stage) -> None:
        super().__init__(message)
        self.stage = stage


@dataclass
class StageTask:
    """What a stage is given.

    Attributes:
        request: what was asked.
        stage, token: whose files these are.
        tokens: the winning tokens of the stages before.
        store: where all files lie.
        folder: a private folder, erased afterwards.
        quality: the verdict on the map, which the last stage puts here for whoever asks about the job.
    """

    request: JobRequest
    stage: Stage
    token: str
    tokens: Mapping[Stage, str]
    store: Store
    folder: Path
    on_progress: Callable[[str, float], None]
    quality: Judgement | None = None
    _plan: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        job_id: str,
        stage: Stage,
        token: str,
        tokens: Mapping[Stage, str],
        store: Store,
        folder: Path,
        on_progress: Callable[[str, float], None],
    ) -> StageTask:
        """With the request read from the store.

        Raises:
            NotStored: the job was deleted. StoreUnavailable. BadRecord.
        """
        return cls(read_request(store, job_id), stage, token, tokens, store, folder, on_progress)

    def plan(self, typical_s: Mapping[str, float]) -> None:
        """The steps to come, in order, each with the seconds it typically takes: what progress is measured by."""
        self._plan = dict(typical_s)

    def on_step(self, name: str) -> None:
        """Report that a step begins, with the progress that the steps before it make."""
        steps = list(self._plan)
        before = steps[: steps.index(name)] if name in steps else []
        total = sum(self._plan.values())
        self.on_progress(name, sum(self._plan[step] for step in before) / total if total else 0.0)

    @property
    def origin(self) -> Origin:
        """The job, for whoever reads the report."""
        return Origin(self.request.id, self.request.created)

    def scan(self) -> Volume:
        """The uploaded scan; its hash is that of the bytes received, before they were scrubbed.

        Raises:
            BadScan: it cannot be used; the message says why. DamagedFile: it is not what was stored.
        """
        key = scan_key(self.request.id, self.request.upload)
        path = self._fetch(key, self.folder / SCAN, self.request.kept_sha256)
        volume = read_volume(path)
        path.unlink()
        return replace(volume, sha256=self.request.sha256, software=self.request.software)

    def inputs(self, stage: Stage) -> Path:
        """A folder with the files that an earlier stage left.

        Raises:
            DamagedInputs: they are not those that it wrote.
        """
        folder = self.folder / stage
        folder.mkdir()
        prefix = stage_prefix(self.request.id, stage, self.tokens[stage])
        hashes = read_sums(self.store, prefix)
        names = {stored.key.removeprefix(prefix) for stored in self.store.list(prefix)} - {SUMS}
        try:
            check_names(names, hashes)
            for name in sorted(names):
                self._fetch(f"{prefix}{name}", folder / name, hashes.get(name))
        except DamagedFile as error:
            raise DamagedInputs(str(error), stage) from error
        return folder

    def publish(self, folder: Path, last: str) -> None:
        """Store all files of a folder as this attempt's, their hashes first; ``last`` says that all are there."""
        hashes = hashes_in(folder)
        self.store.put(self._key(SUMS), sums(hashes))
        for name in sorted(hashes, key=lambda name: name == last):
            with (folder / name).open("rb") as file:
                self.store.put(self._key(name), file)

    def _key(self, name: str) -> str:
        return stage_key(self.request.id, self.stage, self.token, name)

    def _fetch(self, key: str, path: Path, sha256: str | None) -> Path:
        with self.store.open(key) as stored, path.open("wb") as file:
            shutil.copyfileobj(stored, file, 1024**2)
        with path.open("rb") as file:
            check_bytes(file, sha256, path.name)
        return path
