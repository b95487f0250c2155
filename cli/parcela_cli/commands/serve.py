"""``parcela serve``: the whole service from one command, without Docker and without root."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to answer at.")] = 8000,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where jobs, results and logs lie. Unless given: your folder for data.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen at; one that others can reach needs PARCELA_API_KEYS."
        ),
    ] = "127.0.0.1",
) -> None:
    """Run the service here: POST a scan, poll its job, fetch the label map. Ctrl-C stops it; a new start goes on."""
    from parcela_cli.serve.data_folder import DataFolder, default_root
    from parcela_cli.serve.stack import run

    root = (data or default_root()).expanduser().absolute()

    def ready(url: str) -> None:
        print(f"Parcela answers at {url} (how: {url}/docs)", flush=True)
        print(f"jobs, results and logs lie in {root}; Ctrl-C stops the service", flush=True)
        print("research software, not a medical device", flush=True)

    run(DataFolder(root), host, port, on_ready=ready, say=_say)


def _say(sentence: str) -> None:
    print(f"parcela serve: {sentence}", file=sys.stderr, flush=True)
