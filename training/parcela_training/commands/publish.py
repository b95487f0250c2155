"""``parcela publish``: a trained network into the folder of weights, with its card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from parcela.options import Network
from parcela_cli.destination import check_folder
from parcela_cli.progress import stderr


def publish(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="The folder of an experiment, or of one training."),
    ],
    model: Annotated[Network, typer.Option(help="Which network of the run.")],
    weights: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder that gets unet/, highresnet/ or warp/.")
    ] = Path("weights"),
    prepared: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="What parcela prepare left; the experiment's own unless set."
        ),
    ] = None,
    test: Annotated[
        bool,
        typer.Option("--test", help="Measure on test too, once nothing is left to choose."),
    ] = False,
    noise: Annotated[
        int, typer.Option(min=0, metavar="N", help="Register N validation images twice.")
    ] = 2,
) -> None:
    """Weights in 16 bits, their hash, and a model card: data, licences, settings, Dice per region and data set, limits.

    Measured on the validation images. Adds a line to LOG.md in the folder of weights; PARCELA_WEIGHTS makes prediction
    use another folder than the one that ships.
    """
    check_folder(weights)
    from parcela_training.publish.publish import Publication
    from parcela_training.publish.publish import publish as write

    wanted = Publication(run, model, weights, prepared, test, noise)
    card = write(wanted, lambda line: stderr.print(escape(line)))
    dice = card["validation"]["all"]
    print(
        f"{weights / model / 'model.safetensors'}\tvalidation Dice {dice['mean']:.4f} ± {dice['sd']:.4f}\t"
        f"sha256 {card['sha256'][:12]}…"
    )
