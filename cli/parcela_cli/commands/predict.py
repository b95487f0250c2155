"""``parcela predict``: the networks, on this machine or on a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from parcela.errors import BadRequest
from parcela.options import Device, ModelChoice, PredictOptions, Space
from parcela.processes.surroundings import check_memory_limit
from parcela.settings import change_settings
from parcela_cli.arguments import (
    Fast,
    Force,
    Out,
    Preprocess,
    ProbabilitiesOption,
    Scans,
    SkullStripOption,
    StandardSpaceOption,
    Threads,
    TissuesOption,
    described,
)


def predict(
    scans: Scans,
    out: Out = Path("parcela-out"),
    model: Annotated[ModelChoice, described(PredictOptions, "model")] = "unet",
    preprocess: Preprocess = True,
    skull_strip: SkullStripOption = "auto",
    fast: Fast = False,
    space: Annotated[Space, described(PredictOptions, "space")] = "native",
    tissues: TissuesOption = False,
    standard_space: StandardSpaceOption = False,
    template: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGE",
            help="A skull-stripped brain, such as MNI152's: its space is the standard space instead.",
        ),
    ] = None,
    probabilities: ProbabilitiesOption = False,
    dicom_seg: Annotated[
        bool,
        typer.Option(
            "--dicom-seg", help="Of DICOM series: the map as a DICOM segmentation besides."
        ),
    ] = False,
    exact: Annotated[bool, described(PredictOptions, "exact", "--exact")] = False,
    device: Annotated[Device, typer.Option(help="auto: a GPU where there is one.")] = "auto",
    threads: Threads = None,
    force: Force = False,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Have this server do it; the results are the same."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The server's API key; else PARCELA_API_KEY.")
    ] = None,
) -> None:
    """Parcellate scans: a label map on each scan's own grid, region volumes, a picture to check, and how it was made.

    A bundle that is already complete for the same bytes, options and weights is not computed again, so that an
    interrupted run is resumed by repeating it. One scan failing does not stop the others.
    """
    change_settings(torch_threads=threads)
    if server is None:
        check_memory_limit()
    else:
        _check_local_only(device, threads, template)
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
    if server is None:
        from parcela_cli.engines import NetworkEngine
        from parcela_cli.pipeline import read_template

        engine = NetworkEngine(options, device, read_template(template))
        raise typer.Exit(bundle_each(scans, out, engine, force=force, finish=finish))
    from parcela_cli.client.client import Client
    from parcela_cli.client.engine import ServerEngine

    with Client(server, key=key) as client:
        server_engine = ServerEngine.of(client, options)
        raise typer.Exit(bundle_each(scans, out, server_engine, force=force, finish=finish))


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


def _check_local_only(device: Device, threads: int | None, template: Path | None) -> None:
    """Refuse, with ``--server``, what only holds for this machine."""
    if device != "auto":
        raise BadRequest(f"--device {device} with --server: the server chooses its own device")
    if threads is not None:
        raise BadRequest(f"--threads {threads} with --server: the server has its own setting")
    if template is not None:
        raise BadRequest(
            f"--template {template} with --server: a server takes scans alone; it has --standard-space"
        )
