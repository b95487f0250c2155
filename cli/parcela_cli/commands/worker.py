"""``parcela worker``: a worker of one stage or several, the same as each service's own."""

from __future__ import annotations

from typing import Annotated

import typer

from parcela.errors import BadRequest
from parcela.jobs.records import Stage

MODULES: dict[Stage, str] = {
    "preprocess": "parcela_preprocess.stage",
    "inference": "parcela_inference.stage",
    "labelling": "parcela_labelling.stage",
}


def worker(
    stages: Annotated[
        list[str],
        typer.Argument(metavar="STAGE…", help="What to work at: preprocess, inference, labelling."),
    ],
) -> None:
    """Work for a server, here or on another host: `PARCELA_REDIS` and `PARCELA_STORE` say which one.

    Does one job at a time until a signal ends it, and then gives back the one at hand.
    """
    for stage in stages:
        if stage not in MODULES:
            raise BadRequest(
                f"there is no stage called {stage!r}: choose from {', '.join(MODULES)}"
            )
    from parcela.jobs.worker_app import run_worker

    run_worker({stage: module for stage, module in MODULES.items() if stage in stages})
