"""``parcela bids``: a BIDS App."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parcela.options import BidsLevel, ModelChoice, PredictOptions
from parcela.settings import change_settings
from parcela_cli.arguments import (
    Fast,
    Force,
    Preprocess,
    ProbabilitiesOption,
    SkullStripOption,
    StandardSpaceOption,
    Threads,
    TissuesOption,
    described,
)


def bids(
    bids_dir: Annotated[Path, typer.Argument(metavar="BIDS_DIR", help="A BIDS data set of scans.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder for the derivatives.")],
    level: Annotated[
        BidsLevel,
        typer.Argument(help="participant: parcellate each scan. group: one table and page of all."),
    ],
    participant_label: Annotated[
        list[str] | None,
        typer.Option(
            "--participant-label",
            "--participant_label",
            help="Only these participants, such as 01,02; may be given again.",
        ),
    ] = None,
    session_label: Annotated[
        list[str] | None,
        typer.Option(
            "--session-label", "--session_label", help="Only these sessions; may be given again."
        ),
    ] = None,
    skip_bids_validation: Annotated[
        bool,
        typer.Option(
            "--skip-bids-validation",
            "--skip_bids_validation",
            help="Take a folder whose dataset_description.json is missing or odd.",
        ),
    ] = False,
    model: Annotated[ModelChoice, described(PredictOptions, "model")] = "unet",
    preprocess: Preprocess = True,
    skull_strip: SkullStripOption = "auto",
    fast: Fast = False,
    tissues: TissuesOption = False,
    standard_space: StandardSpaceOption = False,
    probabilities: ProbabilitiesOption = False,
    threads: Threads = None,
    jobs: Annotated[int, typer.Option(min=1, help="Scans at a time; 2 GB of memory each.")] = 1,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Have this server do it.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The server's API key; else PARCELA_API_KEY.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "--dry_run", help="Say what would be done, and do nothing.")
    ] = False,
    force: Force = False,
) -> None:
    """Parcellate a BIDS data set, or collect its results, as BIDS derivatives.

    Repeat the same command to go on after an interruption: what is done is not done again. A scan that fails does
    not stop the others; its reason lies beside its place (…_failed.txt) and on the group's page.
    Example: parcela bids /data/study derivatives/parcela participant --jobs 2
    """
    from parcela_cli.bids.dataset import find_scans
    from parcela_cli.bids.derivative import write_root
    from parcela_cli.bids.participants import is_done, process_each, process_in_parallel
    from parcela_cli.destination import check_folder, writing

    change_settings(torch_threads=threads)
    check_folder(out)
    scans = find_scans(
        bids_dir,
        _labels(participant_label),
        _labels(session_label),
        check=not skip_bids_validation,
    )
    if dry_run:
        for scan in scans:
            print(scan.relative, "done" if is_done(scan, out) else "to do", sep="\t")
        return
    with writing(out):
        write_root(bids_dir, out)
    if level == "group":
        from parcela_cli.bids.group import write_group

        print(*write_group(scans, out), sep="\n")
        return
    options = PredictOptions(
        model=model,
        preprocess=preprocess,
        skull_strip=skull_strip,
        fast=fast,
        tissues=tissues,
        standard_space=standard_space,
        probabilities=probabilities,
    )
    if jobs > 1:
        given = [str(bids_dir), str(out), level, *_flags(options, threads, server, force=force)]
        if skip_bids_validation:
            given.append("--skip-bids-validation")
        raise typer.Exit(process_in_parallel(scans, given, jobs, key))
    if server is None:
        from parcela_cli.engines import NetworkEngine

        raise typer.Exit(process_each(scans, out, NetworkEngine(options), force=force))
    from parcela_cli.client.client import Client
    from parcela_cli.client.engine import ServerEngine

    with Client(server, key=key) as client:
        raise typer.Exit(process_each(scans, out, ServerEngine.of(client, options), force=force))


def _labels(given: list[str] | None) -> list[str]:
    return [label for text in given or () for label in text.replace(",", " ").split()]


def _flags(
    options: PredictOptions, threads: int | None, server: str | None, *, force: bool
) -> list[str]:
    """What another `parcela bids` must be told to do the same."""
    flags = []
    for name, value in options.model_dump(exclude_defaults=True).items():
        word = name.replace("_", "-")
        flags += (
            [f"--{word}" if value else f"--no-{word}"]
            if isinstance(value, bool)
            else [f"--{word}", value]
        )
    flags += ["--threads", str(threads)] if threads else []
    flags += ["--server", server] if server else []
    return [*flags, "--force"] if force else flags
