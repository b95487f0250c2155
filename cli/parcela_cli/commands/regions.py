"""``parcela regions``: the atlas as a table."""

from __future__ import annotations


def regions() -> None:
    """List the 116 regions of AAL: id, name, hemisphere, lobe, colour (tab-separated)."""
    from parcela.atlas.aal import regions as all_regions

    print("index\tname\themisphere\tlobe\tcolor")
    for region in all_regions():
        print(f"{region.index}\t{region.name}\t{region.hemisphere}\t{region.lobe}\t{region.color}")
