"""How well maps in a standard space lie there: beside AAL's own labels, and inside the template's brain.

    python benchmarks/standard_space.py --template tpl-NAME_T1w.nii.gz MAP…

MAP is a bundle's ``…_space-NAME_dseg.nii.gz``. Writes benchmarks/results/standard_space.md and .json; some seconds.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

from parcela.atlas.aal import atlas_labels
from parcela.atlas.counts import dice, mean_places
from parcela.imaging.geometry import Geometry
from parcela.imaging.standard_space import COLIN27
from parcela.imaging.volume import read_volume
from parcela_benchmarks.results import write_results
from parcela_cli.measure.label_maps import LabelMap, read_label_map
from parcela_training.report.document import Table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--template", type=Path, required=True, help="a skull-stripped brain")
    parser.add_argument("maps", type=Path, nargs="+", metavar="MAP")
    arguments = parser.parse_args()
    template = read_volume(arguments.template)
    brain = LabelMap((template.data > 0).astype(np.uint16), template.geometry)
    records = [measured(path, brain) for path in sorted(arguments.maps)]
    write_results("standard_space", [_table(records)], {"maps": records})


def measured(path: Path, brain: LabelMap) -> dict[str, Any]:
    """One map beside AAL's own labels at the same coordinates.

    ``inside`` is the share of its labelled voxels that lie in the template's brain (of Colin27: not told), and
    ``atlas_inside`` that of AAL's own.
    """
    head, space = re.split(r"_space-", path.name.removesuffix("_dseg.nii.gz"))
    made = read_label_map(path)
    labels, affine = atlas_labels()
    x, y, z = labels.shape
    atlas = LabelMap(labels.astype(np.uint16), Geometry.of_grid((x, y, z), affine)).on_grid(
        made.geometry
    )
    apart_mm = np.linalg.norm(_centres_mm(made) - _centres_mm(atlas), axis=1)
    within = brain.on_grid(made.geometry).labels > 0
    inside = [float(within[each.labels > 0].mean()) for each in (made, atlas)]
    return {
        "id": head,
        "space": space,
        "regions": len(made.ids_present()),
        "dice": float(np.nanmean(dice(_bytes(made), _bytes(atlas))[1:])),
        "apart_median_mm": float(np.nanmedian(apart_mm)),
        "apart_most_mm": float(np.nanmax(apart_mm)),
        "inside": None if space == COLIN27 else inside[0],
        "atlas_inside": None if space == COLIN27 else inside[1],
    }


def _bytes(label_map: LabelMap) -> Any:
    return label_map.labels.astype(np.uint8)


def _centres_mm(label_map: LabelMap) -> Any:
    affine = label_map.geometry.affine
    return mean_places(_bytes(label_map)) @ affine[:3, :3].T + affine[:3, 3]


def _table(records: list[dict[str, Any]]) -> Table:
    rows = [
        (
            *(record["id"], record["space"], str(record["regions"]), f"{record['dice']:.3f}"),
            *(f"{record[f'apart_{key}_mm']:.1f}" for key in ("median", "most")),
            *(
                "" if record[key] is None else f"{record[key]:.1%}"
                for key in ("inside", "atlas_inside")
            ),
        )
        for record in records
    ]
    columns = (
        "Image",
        "Space",
        "Regions",
        "Dice with AAL's own",
        "Centroids apart, mm: median",
        "Most",
    )
    return Table(
        "1",
        "Maps in a standard space beside AAL's own labels there",
        (*columns, "Inside the template's brain", "AAL's own"),
        tuple(rows),
        "An affine registration brings heads together, not gyri: what differs is the person, the registration and the "
        "network.",
    )


if __name__ == "__main__":
    main()
