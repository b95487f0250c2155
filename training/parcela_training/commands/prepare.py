"""``parcela prepare``: a cohort, from raw scans to images and labels on the networks' grid."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from parcela.options import SkullStrip
from parcela_cli.destination import check_folder
from parcela_cli.progress import stderr, warn
from parcela_training.options import PresetName, SplitBy

if TYPE_CHECKING:
    from parcela_training.cohorts.split import Split
    from parcela_training.preparation.prepare import Preparing, Step

VIRTUAL = "virtual-cohort"
NAMED = 10  # doubtful registrations and failures named on the terminal; the tables have all


def prepare(
    cohort: Annotated[
        Path | None,
        typer.Argument(
            metavar="COHORT",
            help="A BIDS folder, an ADNI download, a folder of scans, or a CSV or TSV of paths. Without it a virtual "
            "cohort is made from the atlas.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="A folder for the prepared images.")
    ] = Path("runs/prepared"),
    preset: Annotated[
        PresetName | None,
        typer.Option(
            help="demo: half the grid. thesis: the published method. modern: as prediction does it. Unless set, thesis "
            "for a COHORT and demo for the virtual one."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="TRAIN/VAL/TEST",
            help="150/25/25 or 0.75/0.125/0.125; else the cohort's own column, else the preset's.",
        ),
    ] = None,
    split_by: Annotated[
        SplitBy,
        typer.Option("--split-by", help="image: the thesis's way, which can leak."),
    ] = "subject",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split.")] = 0,
    imports: Annotated[
        bool,
        typer.Option(
            "--import/--no-import",
            help="Use brain masks and AAL labels that lie beside the scans (derivatives/); make the others.",
        ),
    ] = True,
    skull_strip: Annotated[
        SkullStrip,
        typer.Option("--skull-strip", help="What strips whole heads that have no imported mask."),
    ] = "robex",
    grid: Annotated[
        str | None,
        typer.Option(metavar="I,J,K", help="Another grid than the preset's, such as 182,244,246."),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes", min=1, help="Images at a time, 3 GB each; one a core unless set."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Prepare again what is already prepared.")
    ] = False,
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
        preparation(chosen),
        imports=imports,
        skull_strip=skull_strip,
    )
    if grid:
        how = replace(how, shape=parse_shape(grid))
    made = load_split(
        cohort,
        out / VIRTUAL,
        preset=chosen,
        sizes=split,
        by=split_by,
        seed=seed,
        progress=lambda done, total, name: stderr.print(f"virtual subject {done}/{total} {name}"),
    )
    _announce(made)
    done = prepare_split(
        made,
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
        self.begun = time.monotonic()

    def show(self, step: Step) -> None:
        if step.image is None:
            text = f"{step.total} images, {step.kept} of them finished before"
            if failed := step.done - step.kept:
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
    if not seconds:
        return ""
    return (
        f"  about {seconds / 60:.0f} min left" if seconds > 90 else f"  about {seconds:.0f} s left"
    )


def _conclude(done: Preparing) -> None:
    rows = done.prepared.rows
    verdicts = Counter(row["verdict"] for row in rows)
    stderr.print(
        f"{done.made} images prepared, {done.kept} finished before, {len(done.failures)} failed; labels: "
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
