"""``parcela regions``: the atlas as a table, ours or another program's."""

from __future__ import annotations

from typing import Annotated

import typer

from parcela.options import Program


def regions(
    program: Annotated[
        Program | None,
        typer.Option("--as", help="The look-up table that this program reads, instead of ours."),
    ] = None,
) -> None:
    """List the 116 regions of AAL: id, name, AAL's code, hemisphere, lobe, colour (tab-separated).

    With --as, the table is the other program's own, with its ids: parcela regions --as mrtrix > aal.txt
    """
    from parcela.atlas.aal import regions as all_regions
    from parcela.atlas.lookup_tables import lookup_table

    if program is not None:
        print(lookup_table(program), end="")
        return
    print("index\tname\tcode\themisphere\tlobe\tcolor")
    for region in all_regions():
        row = (region.index, region.name, region.code, region.hemisphere, region.lobe, region.color)
        print(*row, sep="\t")
