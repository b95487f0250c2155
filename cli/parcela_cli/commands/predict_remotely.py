"""``parcela predict --server``: the bundle that this machine would have made, made by a server."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parcela.bundle.manifest import Manifest
from parcela.bundle.write import FIXED_NAMES, file_name
from parcela.errors import BadRequest, ParcelaError
from parcela.imaging.volume import read_volume
from parcela.settings import settings
from parcela_cli.batch import run_batch
from parcela_cli.client.client import Client, Model, SkullStrip, Space
from parcela_cli.client.remote_job import RemoteJob
from parcela_cli.commands.predict import already_done
from parcela_cli.destination import check_destination, names_one_file, writing
from parcela_cli.progress import Progress, warn


@dataclass(frozen=True)
class RemoteOptions:
    """What a server can be asked; its threads and its device are its own."""

    model: Model = "unet"
    preprocess: bool = True
    skull_strip: SkullStrip = "robex"
    space: Space = "native"

    @classmethod
    def of(cls, choices: Mapping[str, Any]) -> RemoteOptions:
        """The command's choices, less those that only hold for this machine.

        Raises:
            BadRequest: one of those was made.
        """
        kept = dict(choices)
        if (device := kept.pop("device", "auto")) != "auto":
            raise BadRequest(f"--device {device} with --server: the server chooses its own device")
        if (threads := kept.pop("threads", None)) is not None:
            raise BadRequest(f"--threads {threads} with --server: the server has its own setting")
        return cls(**kept)


@dataclass(frozen=True)
class _Recorded:
    """The options as the server's manifests record them."""

    options: RemoteOptions
    cards: Mapping[str, str]

    def parameters(self) -> dict[str, Any]:
        asked = asdict(self.options)
        return asked | {"skull_strip": asked["skull_strip"] if asked["preprocess"] else None}

    def weights(self) -> dict[str, str | None]:
        both = self.options.model == "both"
        return {n: sha256 for n, sha256 in self.cards.items() if both or n == self.options.model}


def predict_remotely(
    scans: Sequence[Path],
    out: Path,
    choices: Mapping[str, Any],
    *,
    server: str,
    key: str | None,
    force: bool,
) -> int:
    """Have a server parcellate each scan into ``out``; one line on stdout for each. Returns the exit code."""
    options = RemoteOptions.of(choices)
    check_destination(scans, out)
    with Client(server, key=key) as client:
        recorded = _Recorded(options, {found.model: found.sha256 for found in client.models()})

        def work(scan: Path, name: str) -> None:
            _one(client, scan, name, out, recorded, force=force)

        return run_batch(scans, work)


def _one(
    client: Client, scan: Path, name: str, out: Path, recorded: _Recorded, *, force: bool
) -> None:
    limits = settings()
    volume = read_volume(scan, max_voxels=limits.max_voxels, max_bytes=limits.max_bytes)
    if not force and already_done(out, name, volume, recorded):
        print(f"{out / file_name('dseg', name)}\talready done", flush=True)
        return
    del volume  # half a gigabyte, perhaps, that nothing needs while the server works
    with Progress(str(scan)) as progress:
        progress.step("send")
        job = client.submit(scan, **asdict(recorded.options))
        _wait(client, job, progress)
        progress.step("fetch")
        with writing(out):
            line, warnings = _fetch(client, job, out, name)
    for warning in warnings:
        warn(warning)
    print(line, flush=True)


def _wait(client: Client, job: RemoteJob, progress: Progress) -> None:
    """Tell each step of the job as it begins; one that is interrupted takes its job along."""
    told = ""

    def tell(now: RemoteJob) -> None:
        nonlocal told
        step = (now.step or now.status) if not now.ended else told
        if step != told:
            progress.step(step)
            told = step
        progress.share(now.progress)

    try:
        client.wait(job, on_progress=tell)
    except (KeyboardInterrupt, SystemExit):
        with suppress(ParcelaError):
            client.delete(job)
        raise


def _fetch(client: Client, job: RemoteJob, out: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """The results into ``out``; returns the result line, as the local command's, and the warnings."""
    if names_one_file(out):
        return str(client.download(job, out)), ()
    paths = client.bundle(job, out, name)
    manifest = Manifest.from_json(paths[FIXED_NAMES["manifest"]].read_text(encoding="utf-8"))
    with paths[FIXED_NAMES["table"]].open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    found = sum(int(row["voxels"]) > 0 for row in rows)
    millilitres = sum(float(row["volume_mm3"]) for row in rows) / 1000
    seconds = sum(manifest.seconds.values())
    path = paths[FIXED_NAMES["dseg"]]
    line = f"{path}\t{found}/116 regions\t{millilitres:.0f} ml\t{seconds:.1f} s"
    return line, manifest.warnings
