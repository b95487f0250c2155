"""``parcela worker``: a worker of one stage or several, the same as each service's own."""

from __future__ import annotations

from typing import Annotated

import typer

from parcela_cli.choices import StageChoice

MODULES = {
    StageChoice.preprocess: "parcela_preprocess.stage",
    StageChoice.inference: "parcela_inference.stage",
    StageChoice.labelling: "parcela_labelling.stage",
}


def worker(
    stages: Annotated[
        list[StageChoice],
        typer.Argument(metavar="STAGE…", help="What to work at: preprocess, inference, labelling."),
    ],
) -> None:
    """Work for a server, here or on another host: `PARCELA_REDIS` and `PARCELA_STORE` say which one.

    Does one job at a time until a signal ends it, and then gives back the one at hand.
    """
    from parcela.jobs.worker_app import run_worker

    run_worker({stage.value: MODULES[stage] for stage in stages})
