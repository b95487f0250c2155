"""``parcela label``: the atlas registered to each scan, on the scan's own grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parcela.options import LabelOptions, Preset
from parcela.processes.surroundings import check_memory_limit
from parcela.settings import change_settings
from parcela_cli.arguments import (
    Fast,
    Force,
    Out,
    Preprocess,
    Scans,
    SkullStripOption,
    Threads,
    TissuesOption,
    described,
)


def label(
    scans: Scans,
    out: Out = Path("parcela-out"),
    preset: Annotated[Preset, described(LabelOptions, "preset")] = "modern",
    preprocess: Preprocess = True,
    skull_strip: SkullStripOption = "auto",
    fast: Fast = False,
    tissues: TissuesOption = False,
    threads: Threads = None,
    force: Force = False,
) -> None:
    """Label scans by registration instead of a network: AAL warped to each scan, the transforms, and a check of them.

    About two minutes a scan. The check says when a registration failed; its verdict ends the result line.
    """
    change_settings(torch_threads=threads)
    check_memory_limit()
    from parcela_cli.bundles import bundle_each
    from parcela_cli.destination import check_destination
    from parcela_cli.engines import RegistrationEngine

    options = LabelOptions(
        preset=preset, preprocess=preprocess, skull_strip=skull_strip, fast=fast, tissues=tissues
    )
    check_destination(scans, out)
    raise typer.Exit(bundle_each(scans, out, RegistrationEngine(options), force=force))
