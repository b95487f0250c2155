"""``parcela convert`` and ``parcela resample``: a label map with other ids, or on another image's grid."""

from __future__ import annotations

from pathlib import Path
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


def resample(
    label_map: LabelMapArgument,
    like: Annotated[
        Path, typer.Option(metavar="IMAGE", help="The image whose grid it is; 3-D or 4-D.")
    ],
    out: LabelMapOut,
    rigid: Annotated[
        Path | None,
        typer.Option(
            metavar="SCAN",
            help="The T1 scan that the map was made from: the image is registered to it first, "
            "by a rotation and a shift. Unless set, both must lie in the same place.",
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="PROBSEG",
            help="The map's own scores, …_probseg.nii.gz: by them instead of by nearest neighbour.",
        ),
    ] = None,
    source: SourceIds = None,
) -> None:
    """Put a label map on another image's grid, such as BOLD's or PET's, by nearest neighbour: labels are never mixed.

    With --scores each voxel takes the class whose interpolated score is highest, as on the scan's own grid.
    Example: parcela resample sub-01_dseg.nii.gz --like sub-01_bold.nii.gz -o sub-01_bold_dseg.nii.gz
    """
    from parcela_cli.destination import check_label_map_name, writing
    from parcela_cli.measure.label_maps import read_label_map, write_map
    from parcela_cli.measure.second_image import grid_of, read_image
    from parcela_cli.progress import warn

    check_label_map_name(out, (label_map, like, *filter(None, (rigid, scores))))
    regions = read_label_map(label_map, source)
    image = read_image(like)
    motion = None
    if rigid is not None:
        from parcela_cli.measure.registered import register_to_scan

        motion = register_to_scan(like, image, rigid)
        print(motion.sentence)
    to_scan = motion.to_scan if motion else None
    if scores is None:
        carried = regions.on_grid(grid_of(image), to_scan)
    else:
        from parcela_cli.measure.scores import map_by_scores

        carried = map_by_scores(scores, grid_of(image), to_scan).in_scheme(regions.scheme)
    lost = len(set(regions.ids_present()) - set(carried.ids_present()))
    if lost:
        warn(f"{lost} regions of the map have no voxel on the grid of {like.name}")
    with writing(out):
        write_map(out, carried)
    print(out)
