"""``parcela experiment``, and what it is made of: ``evaluate``, ``report``, ``compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from parcela.errors import BadRequest
from parcela_cli.destination import check_folder
from parcela_cli.progress import stderr
from parcela_training.commands.arguments import (
    COHORT_HELP,
    Budget,
    Processes,
    Run,
    RunOut,
    SplitByOption,
    SplitSizes,
)
from parcela_training.options import Part, PresetName

if TYPE_CHECKING:
    from parcela_training.evaluation.record import Evaluation

CohortOrVariable = Annotated[
    Path | None, typer.Argument(metavar="COHORT", envvar="COHORT", help=COHORT_HELP)
]
Preset = Annotated[
    PresetName | None,
    typer.Option(
        envvar="PRESET",
        help="demo: half the grid, 5 to 20 minutes on two cores. thesis: the published method. modern: Parcela's own. "
        "Unless set, thesis for a COHORT and demo for the virtual one.",
    ),
]
Prepared = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where the prepared images lie, or shall lie; without a COHORT they must be there.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the split and of the training.")]
Surface = Annotated[
    bool,
    typer.Option(
        "--surface", help="Measure surface distances too, some 8 s an image; the demo always does."
    ),
]
Registrations = Annotated[
    int | None,
    typer.Option(
        "--registrations",
        min=0,
        metavar="N",
        help="Register N images, to be timed. Unless set two; none where prepare registered them.",
    ),
]
Noise = Annotated[
    int,
    typer.Option(
        "--noise", min=0, metavar="N", help="Register N images twice: the labels' own noise."
    ),
]
Monai = Annotated[
    int,
    typer.Option(
        "--monai", min=0, metavar="N", help="Predict N images by MONAI alone too, to be timed."
    ),
]
Shipped = Annotated[
    bool | None,
    typer.Option(
        "--shipped/--no-shipped",
        help="The weights that ship beside; unless set, where the images lie on their grid.",
    ),
]


def experiment(
    cohort: CohortOrVariable = None,
    out: RunOut = None,
    preset: Preset = None,
    budget: Budget = None,
    prepared: Prepared = None,
    split: SplitSizes = None,
    split_by: SplitByOption = "subject",
    seed: Seed = 0,
    processes: Processes = None,
    surface: Surface = False,
    registrations: Registrations = None,
    noise: Noise = 1,
    monai: Monai = 2,
    shipped: Shipped = None,
) -> None:
    """Raw scans to tables and figures: prepare, train both networks, evaluate, report; the thesis's values beside.

    Kill it when you like: the same command goes on where it was.
    """
    chosen = preset or _usual(cohort, prepared)
    folder = out or Path("runs") / chosen
    check_folder(folder)
    from parcela_training.evaluation.networks import EvaluationOptions
    from parcela_training.experiment import experiment as run
    from parcela_training.experiment_folder import ExperimentFolder, Plan

    plan = Plan(
        preset=chosen,
        cohort=str(cohort.absolute()) if cohort else None,
        prepared=str(prepared.absolute()) if prepared else None,
        budget=budget,
        split=split,
        by=split_by,
        seed=seed,
    )
    options = EvaluationOptions(
        "test", surface or chosen == "demo", shipped, monai, registrations, noise
    )
    files = run(plan, ExperimentFolder(folder), options=options, processes=processes, on_line=_say)
    _print(files)


def _usual(cohort: Path | None, prepared: Path | None) -> PresetName:
    """The preset, where none is asked for."""
    from parcela_training.preparation.prepared_set import PreparedSet

    if prepared and not cohort:
        return PreparedSet.read(prepared).preset
    return "thesis" if cohort else "demo"


def evaluate(
    run: Run,
    part: Annotated[Part, typer.Option(help="The report speaks of test only.")] = "test",
    surface: Surface = False,
    registrations: Registrations = None,
    noise: Noise = 1,
    monai: Monai = 2,
    shipped: Shipped = None,
) -> None:
    """Measure an experiment's networks: Dice per image and region, intervals, seconds, registration's own noise.

    What is measured is kept in RUN/evaluations, image by image: repeated, it goes on where it was. RUN may still be
    training. One line on stdout per network and set of labels; parcela report makes the tables and figures.
    """
    from parcela_training.evaluation.networks import EvaluationOptions, evaluate_experiment
    from parcela_training.experiment_folder import ExperimentFolder

    options = EvaluationOptions(part, surface, shipped, monai, registrations, noise)
    for name, evaluations in evaluate_experiment(ExperimentFolder(run), options, _say).items():
        for evaluation in evaluations:
            print("\t".join((name, part, *_cells(evaluation))), flush=True)


def report(run: Run) -> None:
    """Write report.md, report.html and metrics.json of an experiment from what its folder holds so far."""
    from parcela_training.experiment import report as write
    from parcela_training.experiment_folder import ExperimentFolder

    _print(write(ExperimentFolder(run)))


def compare(
    first: Run,
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Another one's.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="A folder for the report.")
    ] = Path("runs/comparison"),
) -> None:
    """Two experiments side by side: the same report, with the second's networks beside the first's.

    Networks that were evaluated on common images are compared image by image.
    """
    check_folder(out)
    from parcela_training.experiment_folder import ExperimentFolder
    from parcela_training.report.comparisons import side_by_side
    from parcela_training.report.record import ExperimentRecord
    from parcela_training.report.write import write_report

    def read(folder: Path) -> ExperimentRecord:
        try:
            return ExperimentRecord.load(ExperimentFolder(folder).record)
        except (OSError, ValueError) as error:
            raise BadRequest(
                f"{folder}: no report in it yet: run parcela report {folder}"
            ) from error

    names = (first.absolute().name, second.absolute().name)
    if names[0] == names[1]:
        names = (str(first), str(second))
    both = side_by_side(read(first), read(second), names)
    shown = {number: first.absolute() / path for number, path in both.pictures.items()}
    _print(write_report(replace(both, pictures=shown), out))


def _say(line: str) -> None:
    stderr.print(escape(line))


def _print(files: Mapping[str, Path]) -> None:
    for kind, path in files.items():
        print(f"{kind}\t{path}")


def _cells(evaluation: Evaluation) -> Sequence[str]:
    from parcela_training.metrics.statistics import dead_regions, summarise

    dice = summarise(evaluation.per_image)
    without = summarise(evaluation.per_image_without_background)
    return (
        evaluation.reference,
        f"n {dice.n}",
        f"Dice {dice.mean:.4f} ± {dice.sd:.4f} [{dice.low:.4f}, {dice.high:.4f}]",
        f"without background {without.mean:.4f}",
        f"regions with median 0: {len(dead_regions(evaluation.medians))}",
        f"{evaluation.seconds.mean():.2f} s",
    )
