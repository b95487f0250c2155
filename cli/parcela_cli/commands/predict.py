"""``parcela predict``: the networks, on this machine or on a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from parcela.errors import BadRequest
from parcela.options import BEST, Device, ModelChoice, PredictOptions, Space
from parcela.settings import change_settings
from parcela_cli.arguments import (
    Exact,
    Fast,
    Force,
    Out,
    Preprocess,
    ProbabilitiesOption,
    Scans,
    ServerKey,
    ServerOption,
    SkullStripOption,
    StandardSpaceOption,
    TemplateOption,
    Threads,
    TissuesOption,
    described,
)
from parcela_cli.chosen_engine import check_place, chosen_engine


def predict(
    scans: Scans,
    out: Out = Path("parcela-out"),
    model: Annotated[ModelChoice, described(PredictOptions, "model")] = BEST,
    preprocess: Preprocess = True,
    skull_strip: SkullStripOption = "auto",
    fast: Fast = False,
    space: Annotated[Space, described(PredictOptions, "space")] = "native",
    tissues: TissuesOption = False,
    standard_space: StandardSpaceOption = False,
    template: TemplateOption = None,
    probabilities: ProbabilitiesOption = False,
    dicom_seg: Annotated[
        bool,
        typer.Option(
            "--dicom-seg", help="Of DICOM series: the map as a DICOM segmentation besides."
        ),
    ] = False,
    exact: Exact = False,
    device: Annotated[Device, typer.Option(help="auto: a GPU where there is one.")] = "auto",
    threads: Threads = None,
    force: Force = False,
    server: ServerOption = None,
    key: ServerKey = None,
) -> None:
    """Parcellate scans: a label map on each scan's own grid, region volumes, a picture to check, and how it was made.

    A bundle that is already complete for the same bytes, options and weights is not computed again, so that an
    interrupted run is resumed by repeating it. One scan failing does not stop the others.
    """
    change_settings(torch_threads=threads)
    check_place(server, device=device, threads=threads, template=template)
    from parcela_cli.bundles import bundle_each
    from parcela_cli.destination import check_destination

    options = PredictOptions(
        model=model,
        preprocess=preprocess,
        skull_strip=skull_strip,
        fast=fast,
        space=space,
        tissues=tissues,
        standard_space=standard_space or template is not None,
        probabilities=probabilities,
        exact=exact,
    )
    check_destination(scans, out)
    finish = segmentation_beside(scans, space) if dicom_seg else None
    with chosen_engine(options, device=device, template=template, server=server, key=key) as engine:
        raise typer.Exit(bundle_each(scans, out, engine, force=force, finish=finish))


def segmentation_beside(scans: Sequence[Path], space: Space) -> Callable[[Path, Path], None]:
    """What makes a DICOM segmentation of a scan's map, unless it is there already.

    Raises:
        BadRequest: a scan is no DICOM series, or the map will not lie on its grid.
    """
    from parcela.dicom.archive import is_dicom
    from parcela.dicom.conversion import write_segmentation
    from parcela_cli.destination import writing

    if space != "native":
        raise BadRequest(f"--dicom-seg with --space {space}: it lies on the series' own grid")
    for scan in scans:
        if not is_dicom(scan):
            raise BadRequest(f"--dicom-seg: {scan} is no DICOM series: give its folder or a zip")

    def finish(scan: Path, label_map: Path) -> None:
        target = label_map.with_name(f"{label_map.name.removesuffix('.nii.gz')}.dcm")
        if not target.exists() or target.stat().st_mtime < label_map.stat().st_mtime:
            with writing(target):
                write_segmentation(scan, label_map, target)

    return finish
