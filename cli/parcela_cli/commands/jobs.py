"""``parcela jobs``: what a server has done and is doing."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from parcela_cli.client.client import Client
    from parcela_cli.client.remote_job import RemoteJob

DAY_S = 86400.0
RETENTION_DAYS = 7.0
MOST = 1000  # that a server lists

app = typer.Typer(no_args_is_help=True, help="The jobs of a server: list, show, prune, verify.")

Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="The server. Unless given: the one that `parcela serve` runs here."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The folder that `parcela serve --data` was given."),
]
Key = Annotated[str | None, typer.Option(help="The API key; else PARCELA_API_KEY.")]


@app.command("list")
def list_jobs(server: Server = None, data: Data = None, key: Key = None) -> None:
    """List your jobs, newest first: id, kind, status, progress, when sent, verdict (tab-separated)."""
    with _client(server, data, key) as client:
        for job in client.jobs(MOST):
            verdict = job.quality.verdict if job.quality else ""
            told = (job.id, job.kind, job.status, f"{job.progress:.0%}", _moment(job.created))
            print(*told, verdict, sep="\t")


@app.command()
def show(
    job: Annotated[str, typer.Argument(metavar="ID", help="The job.")],
    server: Server = None,
    data: Data = None,
    key: Key = None,
) -> None:
    """Show one job as the server tells it, in JSON."""
    with _client(server, data, key) as client:
        print(client.job(job).model_dump_json(indent=2, exclude_none=True))


@app.command()
def prune(
    days: Annotated[
        float, typer.Option(min=0, help="Those that ended longer ago than this many days.")
    ] = RETENTION_DAYS,
    server: Server = None,
    data: Data = None,
    key: Key = None,
) -> None:
    """Delete your jobs that ended long ago, with scan and results; prints the id of each."""
    with _client(server, data, key) as client:
        while old := [
            job for job in client.jobs(MOST) if _ended_before(job, time.time() - days * DAY_S)
        ]:
            for job in old:
                client.delete(job)
                print(job.id, flush=True)


@app.command()
def verify(
    store: Annotated[
        str | None,
        typer.Option(
            metavar="STORE",
            help="A folder, or http(s)://host:port/bucket. Unless given: PARCELA_STORE, else that of --data.",
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Compare every stored file with the SHA-256 stored with it; print what is damaged: job, file, fault."""
    from parcela.jobs.verification import verify as verified
    from parcela.settings import settings
    from parcela.store.checksums import DamagedFile
    from parcela.store.open import open_store
    from parcela_cli.progress import say
    from parcela_cli.serve.data_folder import DataFolder, default_root

    chosen = settings()
    named = store or (None if data else chosen.store)
    place = named or str(DataFolder((data or default_root()).absolute()).store)
    _check_is_there(place)
    files = list(verified(open_store(chosen.model_copy(update={"store": place}))))
    faults = [file for file in files if file.fault]
    for file in faults:
        print(file.job, file.name, file.fault, sep="\t", flush=True)
    unhashed = sum(not file.hashed for file in files)
    told = f"{len(files)} files of {len({file.job for file in files})} jobs in {place}: {len(faults)} damaged"
    say(f"{told}; {unhashed} have no hash to compare with" if unhashed else told)
    if faults:
        raise DamagedFile(
            f"{len(faults)} files are not what was written: delete their jobs, and submit the scans again"
        )


def _check_is_there(place: str) -> None:
    """A folder is not made by asking after it; raises BadRequest."""
    from parcela.errors import BadRequest

    if "://" not in place and not Path(place).is_dir():
        raise BadRequest(
            f"{place} is no folder: name the store with --store, or its service's folder with --data"
        )


def _client(server: str | None, data: Path | None, key: str | None) -> Client:
    """The server named, or that of the folder; else the usual address of this machine.

    Raises:
        BadRequest: both were given, or nothing runs on the folder.
    """
    from parcela.errors import BadRequest
    from parcela_cli.client.client import Client
    from parcela_cli.client.connection import SERVER
    from parcela_cli.serve.data_folder import DataFolder, default_root

    if server is not None and data is not None:
        raise BadRequest("--server and --data: give one of them")
    running = None if server else DataFolder((data or default_root()).absolute()).running()
    if data is not None and running is None:
        raise BadRequest(f"--data {data}: no parcela serve runs on this folder")
    return Client(server or (running.url if running else SERVER), key=key)


def _ended_before(job: RemoteJob, moment: float) -> bool:
    return job.ended and job.finished is not None and job.finished < moment


def _moment(unix_s: float | None) -> str:
    if unix_s is None:
        return ""
    return datetime.fromtimestamp(unix_s).astimezone().isoformat(timespec="seconds")
