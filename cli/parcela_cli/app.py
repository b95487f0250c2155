"""The ``parcela`` command: which commands it has, and how an error ends.

Nothing here imports PyTorch, MONAI or ANTs: a command loads them when it runs, so that ``--help`` answers at once.
The commands of the experiment are not named here: they come by the entry point ``parcela.commands``.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from importlib.metadata import entry_points, version
from types import FrameType
from typing import Annotated, Any

import typer

from parcela.errors import ParcelaError, Unavailable
from parcela.processes.lean import be_lean
from parcela.processes.surroundings import name_user
from parcela_cli.commands.bids import bids
from parcela_cli.commands.demo import demo
from parcela_cli.commands.doctor import doctor
from parcela_cli.commands.jobs import app as jobs
from parcela_cli.commands.label import label
from parcela_cli.commands.label_maps import convert, resample
from parcela_cli.commands.measure import measure
from parcela_cli.commands.models import models
from parcela_cli.commands.predict import predict
from parcela_cli.commands.preprocess import preprocess
from parcela_cli.commands.regions import regions
from parcela_cli.commands.serve import serve
from parcela_cli.commands.worker import worker

EPILOG = (
    "Exit codes: 0 done · 2 the scan or the request is at fault · 3 a step failed on this scan · 4 something is "
    "missing from this installation · 1 several scans failed for different reasons. Research software, not a "
    "medical device."
)
EXAMPLES = {"predict": "Example: parcela predict sub-*/anat/*_T1w.nii.gz -o out/ --fast"}

app = typer.Typer(
    name="parcela",
    help="A T1-weighted brain MRI in, its 116 AAL regions out, in the scan's own geometry.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"parcela {version('parcela')}")
        raise typer.Exit


@app.callback()
def _options(
    print_version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """What stands before a command."""


COMMANDS: tuple[Callable[..., None], ...] = (
    *(predict, bids, preprocess, label, regions, measure, resample, convert, models, doctor, demo),
    *(command for point in entry_points(group="parcela.commands") for command in point.load()),
    *(serve, worker),
)
for command in COMMANDS:
    app.command(epilog=EXAMPLES.get(command.__name__))(command)
app.add_typer(jobs, name="jobs")


def _end(signum: int, _frame: FrameType | None) -> None:
    """Leave through every ``finally``: no child runs on and no temporary folder stays."""
    sys.exit(128 + signum)


def main(argv: list[str] | None = None) -> Any:
    """The console script: an error of Parcela's is one line on stderr and its class's exit code."""
    signal.signal(signal.SIGTERM, _end)
    name_user()
    be_lean()
    try:
        return app(argv)
    except ParcelaError as error:
        problem = error
    except ModuleNotFoundError as error:
        problem = Unavailable(f"{error.name} is not installed: pip install 'parcela[all]'")
    from parcela_cli.progress import say

    say(str(problem))
    sys.exit(problem.exit_code)


if __name__ == "__main__":
    main()
