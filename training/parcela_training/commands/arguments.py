"""Arguments that several commands of the experiment take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parcela_training.options import SplitBy

COHORT_HELP = (
    "A BIDS folder, an ADNI download, a folder of scans, or a CSV or TSV of paths. Without it a virtual cohort is made "
    "from the atlas."
)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of an experiment.")]
RunOut = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="RUN",
        help="A folder, which gets unet/ and highresnet/ among others; runs/PRESET unless set.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="10m|500steps|3epochs",
        help="Of the training of each network; the preset's own unless set.",
    ),
]
SplitSizes = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="TRAIN/VAL/TEST",
        help="150/25/25 or 0.75/0.125/0.125; else the cohort's own column, else the preset's.",
    ),
]
SplitByOption = Annotated[SplitBy, typer.Option(help="image: the thesis's way, which can leak.")]
Processes = Annotated[
    int | None,
    typer.Option(min=1, help="Images prepared at a time, 3 GB each; one a core unless set."),
]
