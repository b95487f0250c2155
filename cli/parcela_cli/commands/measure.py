"""``parcela measure``: what a second image shows in each region."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parcela_cli.arguments import LabelMapArgument, SourceIds


def measure(
    label_map: LabelMapArgument,
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE…", help="Images of the same head, on any grid; 3-D or 4-D."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="A name ending in .tsv for the table of 3-D images (else standard output), "
            "or a folder, which 4-D images need.",
        ),
    ] = None,
    confounds: Annotated[
        Path | None,
        typer.Option(metavar="TSV", help="4-D: a table whose columns are regressed out."),
    ] = None,
    high_pass: Annotated[
        float | None, typer.Option(metavar="HZ", min=0, help="4-D: drop what is slower.")
    ] = None,
    low_pass: Annotated[
        float | None, typer.Option(metavar="HZ", min=0, help="4-D: drop what is faster.")
    ] = None,
    source: SourceIds = None,
) -> None:
    """Measure other images of the same head by region: one row for each of the 116, `n/a` where there is nothing.

    A 3-D image (PET, perfusion, a T2) gives voxels, coverage, mean, standard deviation, median and percentiles.
    A 4-D one (BOLD) gives the mean of each region over time, without its linear trend, and a matrix of correlations.
    The image is never interpolated: the map goes to its grid. The image must lie where the scan lies; where it does
    not, `parcela resample --rigid` makes a map that fits.
    """
    from parcela_cli.measure.measuring import Cleaning, measure_images

    cleaning = Cleaning(confounds, high_pass, low_pass)
    measure_images(label_map, images, out, cleaning, source)
