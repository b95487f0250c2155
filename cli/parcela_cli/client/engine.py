"""A server as the engine of ``parcela predict``: the bundle that this machine would have made."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parcela.bundle.manifest import Manifest
from parcela.bundle.write import FIXED_NAMES, names_of_bundle, names_on_request
from parcela.errors import ParcelaError
from parcela.options import PredictOptions, networks_of
from parcela_cli.bundles import NamedScan
from parcela_cli.client.client import Client
from parcela_cli.client.remote_job import RemoteJob
from parcela_cli.destination import names_one_file, writing
from parcela_cli.progress import Progress, Result


@dataclass(frozen=True)
class ServerEngine:
    """A server's networks; its threads, its precision and its device are its own."""

    client: Client
    options: PredictOptions
    cards: Mapping[str, str]

    @classmethod
    def of(cls, client: Client, options: PredictOptions) -> ServerEngine:
        """The engine behind a client, once the server has said which weights it has."""
        return cls(client, options, {card.model: card.sha256 for card in client.models()})

    def parameters(self) -> dict[str, Any]:
        """Those of the options alone, as the server's manifests record them."""
        recorded = self.options.parameters()
        return {name: recorded[name] for name in PredictOptions.model_fields}

    def weights(self) -> dict[str, str | None]:
        """SHA-256 of the server's weights, by network."""
        wanted = networks_of(self.options.model)
        return {network: sha256 for network, sha256 in self.cards.items() if network in wanted}

    def files(self) -> Iterable[str]:
        """Those that this machine would make."""
        of_bundle = names_of_bundle(networks_of(self.options.model))
        return (*of_bundle, *names_on_request(self.options))

    def make(self, scan: NamedScan, out: Path, progress: Progress) -> Result:
        """Send one scan, wait for its job, and fetch what came of it."""
        progress.step("send")
        job = self.client.submit(scan.path, **self.options.model_dump())
        _wait(self.client, job, progress)
        progress.step("fetch")
        with writing(out):
            if names_one_file(out):
                return Result((str(self.client.download(job, out)),))
            return _result(self.client.bundle(job, out, scan.name))


def _wait(client: Client, job: RemoteJob, progress: Progress) -> None:
    """Tell each step of the job as it begins; one that is interrupted takes its job along."""
    told = ""

    def on_progress(now: RemoteJob) -> None:
        nonlocal told
        step = (now.step or now.status) if not now.ended else told
        if step != told:
            progress.step(step)
            told = step
        progress.share(now.progress)

    try:
        client.wait(job, on_progress=on_progress)
    except (KeyboardInterrupt, SystemExit):
        with suppress(ParcelaError):
            client.delete(job)
        raise


def _result(paths: dict[str, Path]) -> Result:
    """The result that a fetched bundle tells, given the path of each file by its fixed name."""
    manifest = Manifest.from_json(paths[FIXED_NAMES["manifest"]].read_bytes())
    with paths[FIXED_NAMES["table"]].open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return Result.of(
        paths[FIXED_NAMES["dseg"]],
        [(int(row["voxels"]), float(row["volume_mm3"])) for row in rows],
        manifest.seconds.values(),
        remarks=manifest.remarks,
        warnings=manifest.warnings,
    )
