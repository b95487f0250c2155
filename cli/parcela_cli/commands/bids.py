"""``parcela bids``: a BIDS App."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from parcela.options import BEST, BidsLevel, ModelChoice, PredictOptions
from parcela.settings import change_settings
from parcela_cli.arguments import (
    Exact,
    Fast,
    Force,
    Preprocess,
    ProbabilitiesOption,
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

BidsDir = Annotated[Path, typer.Argument(metavar="BIDS_DIR", help="A BIDS data set of scans.")]
Derivatives = Annotated[Path, typer.Argument(metavar="OUT", help="A folder for the derivatives.")]
Level = Annotated[
    BidsLevel,
    typer.Argument(help="participant: parcellate each scan. group: one table and page of all."),
]
Participants = Annotated[
    list[str] | None,
    typer.Option(
        "--participant-label",
        "--participant_label",
        help="Only these participants, such as 01,02; may be given again.",
    ),
]
Sessions = Annotated[
    list[str] | None,
    typer.Option(
        "--session-label", "--session_label", help="Only these sessions; may be given again."
    ),
]
SkipValidation = Annotated[
    bool,
    typer.Option(
        "--skip-bids-validation",
        "--skip_bids_validation",
        help="Take a folder whose dataset_description.json is missing or odd.",
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Scans at a time; 2 GB of memory each.")]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        "--dry_run",
        help="List the scans, and which have a result by whatever options; do nothing.",
    ),
]


def bids(
    bids_dir: BidsDir,
    out: Derivatives,
    level: Level,
    participant_label: Participants = None,
    session_label: Sessions = None,
    skip_bids_validation: SkipValidation = False,
    model: Annotated[ModelChoice, described(PredictOptions, "model")] = BEST,
    preprocess: Preprocess = True,
    skull_strip: SkullStripOption = "auto",
    fast: Fast = False,
    tissues: TissuesOption = False,
    standard_space: StandardSpaceOption = False,
    template: TemplateOption = None,
    probabilities: ProbabilitiesOption = False,
    exact: Exact = False,
    threads: Threads = None,
    jobs: Jobs = 1,
    server: ServerOption = None,
    key: ServerKey = None,
    dry_run: DryRun = False,
    force: Force = False,
) -> None:
    """Parcellate a BIDS data set, or collect its results, as BIDS derivatives.

    Repeat the same command to go on after an interruption: what is done is not done again. A scan that fails does
    not stop the others; its reason lies beside its place (…_failed.txt) and on the group's page.
    Example: parcela bids /data/study derivatives/parcela participant --jobs 2
    """
    from parcela_cli.bids.dataset import find_scans
    from parcela_cli.bids.derivative import write_root
    from parcela_cli.bids.group import write_group
    from parcela_cli.bids.participants import print_states, process_each, process_in_parallel
    from parcela_cli.destination import check_folder, writing

    check_folder(out)
    labels, sessions = _labels(participant_label), _labels(session_label)
    scans = find_scans(bids_dir, labels, sessions, check=not skip_bids_validation)
    if dry_run:
        return print_states(scans, out)
    if level == "participant":
        check_place(server, threads=threads, template=template)
    with writing(out):
        write_root(bids_dir, out)
    if level == "group":
        return print(*write_group(scans, out), sep="\n")
    change_settings(torch_threads=threads)
    options = PredictOptions(
        model=model,
        preprocess=preprocess,
        skull_strip=skull_strip,
        fast=fast,
        tissues=tissues,
        standard_space=standard_space or template is not None,
        probabilities=probabilities,
        exact=exact,
    )
    with chosen_engine(options, template=template, server=server, key=key) as engine:
        if jobs == 1:
            raise typer.Exit(process_each(scans, out, engine, force=force))
        words = _words(
            options,
            {"template": template, "threads": threads, "server": server},
            {"force": force, "skip-bids-validation": skip_bids_validation},
        )
        raise typer.Exit(
            process_in_parallel(scans, [str(bids_dir), str(out), level, *words], jobs, key)
        )


def _labels(given: Sequence[str] | None) -> list[str]:
    return [label for text in given or () for label in text.replace(",", " ").split()]


def _words(
    options: PredictOptions, values: Mapping[str, object], switches: Mapping[str, bool]
) -> Iterator[str]:
    """What another `parcela bids` must be told to do the same."""
    for name, value in options.model_dump(exclude_defaults=True).items():
        word = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{word}" if value else f"--no-{word}"
        else:
            yield from (f"--{word}", str(value))
    for name, given in values.items():
        if given is not None:
            yield from (f"--{name}", str(given))
    yield from (f"--{name}" for name, on in switches.items() if on)
