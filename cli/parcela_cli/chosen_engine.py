"""What makes the bundles of a command: the networks of this machine, or a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from parcela.errors import BadRequest
from parcela.options import Device, PredictOptions
from parcela.processes.surroundings import check_memory_limit

if TYPE_CHECKING:  # it loads the libraries of imaging, and the help needs none
    from parcela_cli.bundles import Engine


def check_place(
    server: str | None,
    *,
    device: Device = "auto",
    threads: int | None = None,
    template: Path | None = None,
) -> None:
    """Refuse, before anything is read, what a server does not take, and a memory limit that is too low here.

    Raises:
        BadRequest: one of the choices only holds for this machine. LimitExceeded: too little memory is allowed.
    """
    if server is None:
        check_memory_limit()
        return
    if device != "auto":
        raise BadRequest(f"--device {device} with --server: the server chooses its own device")
    if threads is not None:
        raise BadRequest(f"--threads {threads} with --server: the server has its own setting")
    if template is not None:
        raise BadRequest(
            f"--template {template} with --server: a server takes scans alone; it has --standard-space"
        )


@contextmanager
def chosen_engine(
    options: PredictOptions,
    *,
    device: Device = "auto",
    template: Path | None = None,
    server: str | None = None,
    key: str | None = None,
) -> Iterator[Engine]:
    """The engine that the options ask for; what it needs is loaded now.

    Raises:
        BadScan, BadRequest: of the template. Unavailable: no server answers there.
    """
    if server is None:
        from parcela_cli.engines import NetworkEngine
        from parcela_cli.pipeline import read_template

        yield NetworkEngine(options, device, read_template(template))
        return
    from parcela_cli.client.client import Client
    from parcela_cli.client.engine import ServerEngine

    with Client(server, key=key) as client:
        yield ServerEngine.of(client, options)
