"""``parcela convert``: a label map with the ids of another program."""

from __future__ import annotations

from typing import Annotated

import typer

from parcela.options import IdScheme
from parcela_cli.arguments import LabelMapArgument, LabelMapOut, SourceIds


def convert(
    label_map: LabelMapArgument,
    out: LabelMapOut,
    ids: Annotated[
        IdScheme,
        typer.Option(help="What the regions shall be called: spm's 2001 to 9170, mrtrix's order."),
    ],
    source: SourceIds = None,
) -> None:
    """Give a label map the ids of another program, or give it Parcela's again.

    Geometry and voxels stay; `parcela regions --as spm` (or mrtrix) prints the table that goes with the new ids.
    Example: parcela convert sub-01_dseg.nii.gz --ids spm -o sub-01_spm.nii.gz
    """
    from parcela_cli.destination import check_label_map_name, writing
    from parcela_cli.measure.label_maps import read_label_map, write_map

    check_label_map_name(out, (label_map,))
    converted = read_label_map(label_map, source).in_scheme(ids)
    with writing(out):
        write_map(out, converted)
    print(out)
