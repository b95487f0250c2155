"""``parcela prepare``: a cohort, from raw scans to images and labels on the networks' grid."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from parcela.options import Stripper
from parcela_cli.destination import check_folder
from parcela_cli.progress import stderr, warn
from parcela_training.commands.arguments import (
    COHORT_HELP,
    Processes,
    SplitByOption,
    SplitSizes,
)
from parcela_training.options import PresetName

if TYPE_CHECKING:
    from parcela_training.cohorts.split import Split
    from parcela_training.preparation.prepare import Preparing, Step

VIRTUAL = "virtual-cohort"
NAMED = 10  # doubtful registrations and failures named on the terminal; the tables have all


Cohort = Annotated[Path | None, typer.Argument(metavar="COHORT", help=COHORT_HELP)]
OutFolder = Annotated[
    Path, typer.Option("-o", "--out", metavar="DIR", help="A folder for the prepared images.")
]
Preset = Annotated[
    PresetName | None,
    typer.Option(
        help="demo: half the grid. thesis: the published method. modern: as prediction does it. Unless set, thesis for "
        "a COHORT and demo for the virtual one."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the split.")]
Imports = Annotated[
    bool,
    typer.Option(
        "--import/--no-import",
        help="Use brain masks and AAL labels that lie beside the scans (derivatives/); make the others.",
    ),
]
ImportMasks = Annotated[
    bool,
    typer.Option(
        "--import-masks/--no-import-masks",
        help="Of these, use the brain masks too; without, the labels alone, and --skull-strip finds every brain.",
    ),
]
SkullStripOption = Annotated[
    Stripper, typer.Option(help="What strips whole heads that have no imported mask.")
]
Grid = Annotated[
    str | None,
    typer.Option(metavar="I,J,K", help="Another grid than the preset's, such as 182,244,246."),
]
Force = Annotated[bool, typer.Option("--force", help="Prepare again what is already prepared.")]


def prepare(
    cohort: Cohort = None,
    out: OutFolder = Path("runs/prepared"),
    preset: Preset = None,
    split: SplitSizes = None,
    split_by: SplitByOption = "subject",
    seed: Seed = 0,
    imports: Imports = True,
    import_masks: ImportMasks = True,
    skull_strip: SkullStripOption = "robex",
    grid: Grid = None,
    processes: Processes = None,
    force: Force = False,
) -> None:
    """Preprocess and label a cohort: images and labels on the networks' grid, a table of them, and pages to look at.

    Interrupt or kill it when you like: repeated, it goes on where it was. An image that fails is listed in
    failures.tsv, and the rest goes on.
    """
    check_folder(out)
    chosen = preset or ("thesis" if cohort else "demo")
    from parcela_training.cohorts.split import load_split
    from parcela_training.preparation.prepare import likely_processes
    from parcela_training.preparation.prepare import prepare as prepare_split
    from parcela_training.preparation.settings import parse_shape, preparation

    how = replace(
        preparation(chosen), imports=imports, imports_masks=import_masks, skull_strip=skull_strip
    )
    if grid:
        how = replace(how, shape=parse_shape(grid))
    images = load_split(
        cohort,
        out / VIRTUAL,
        preset=chosen,
        sizes=split,
        by=split_by,
        seed=seed,
        progress=lambda done, total, name: stderr.print(f"virtual subject {done}/{total} {name}"),
    )
    _announce(images)
    done = prepare_split(
        images,
        how,
        out,
        processes=processes or likely_processes(),
        force=force,
        on_step=_ImageLines().show,
    )
    _conclude(done)


def _announce(split: Split) -> None:
    counts = ", ".join(f"{count} {part}" for part, count in split.counts().items())
    stderr.print(f"[bold]{escape(split.cohort.name)}[/]: {counts}, split by {split.by}")
    for sentence in (*split.cohort.warnings, *split.warnings):
        warn(sentence)


class _ImageLines:
    """One line on stderr for every image, with the time left."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def show(self, step: Step) -> None:
        if step.image is None:
            text = f"{step.total} images, {step.finished_before} of them finished before"
            if failed := step.done - step.finished_before:
                text += f", {failed} unreadable"
            stderr.print(text)
            return
        stderr.print(
            f"{step.done}/{step.total} {escape(step.image.id)}  {_outcome(step)}"
            f"{_left(step.seconds_left)}"
        )


def _outcome(step: Step) -> str:
    from parcela_training.preparation.prepare import Failure

    if isinstance(step.record, Failure):
        return f"[red]failed[/]: {escape(step.record.reason)}"
    record = step.record or {}
    verdict = record["verdict"] if record["verdict"] == "ok" else f"[yellow]{record['verdict']}[/]"
    return (
        f"{record['seconds']['total']:.1f} s  mask {record['mask_from']}, "
        f"labels {record['label_from']} {verdict}"
    )


def _left(seconds: float | None) -> str:
    from parcela_training.progress import minutes

    return f"  about {minutes(seconds)} left" if seconds else ""


def _conclude(done: Preparing) -> None:
    rows = done.prepared.rows
    verdicts = Counter(row["verdict"] for row in rows)
    stderr.print(
        f"{done.made} images prepared, {done.finished_before} finished before, {len(done.failures)} failed; labels: "
        + ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    )
    for row in [row for row in rows if row["verdict"] != "ok"][:NAMED]:
        warn(f"{row['id']}: labels {row['verdict']} ({row['label_from']}): {row['reasons']}")
    for failure in done.failures[:NAMED]:
        warn(f"{failure.image.id}: failed: {failure.reason}")
    folder = done.prepared.folder
    for page in done.sheets:
        stderr.print(f"look at {escape(str(page))}")
    counts = "/".join(str(len(done.prepared.files(part))) for part in ("train", "val", "test"))
    print(f"{folder / 'prepared.tsv'}\t{counts}\t{len(done.failures)} failed", flush=True)
