"""The ``parcela`` command: its commands, their options, and how an error ends.

Nothing here imports PyTorch, MONAI or ANTs: a command loads them when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from parcela.errors import BadRequest, ParcelaError, Unavailable
from parcela_cli.choices import (
    DeviceChoice,
    ModelChoice,
    OneModelChoice,
    PresetChoice,
    SkullStripChoice,
    SpaceChoice,
)
from parcela_cli.commands.jobs import app as jobs
from parcela_cli.commands.serve import serve
from parcela_cli.commands.worker import worker
from parcela_training.commands.experiment import compare, evaluate, experiment, report
from parcela_training.commands.prepare import prepare
from parcela_training.commands.publish import publish
from parcela_training.commands.train import train

EPILOG = (
    "Exit codes: 0 done · 2 the scan or the request is at fault · 3 a step failed on this scan · 4 something is "
    "missing from this installation · 1 several scans failed for different reasons. Research software, not a "
    "medical device."
)

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
        from importlib.metadata import version

        print(f"parcela {version('parcela')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """What stands before a command."""


Scans = Annotated[
    list[Path], typer.Argument(metavar="SCAN…", help="T1-weighted NIfTI files (.nii, .nii.gz).")
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        help="A folder for the bundle, or a name ending in .nii.gz for the label map alone.",
    ),
]
SkullStripOption = Annotated[
    SkullStripChoice,
    typer.Option(
        "--skull-strip",
        help="robex: the reference, one to two minutes, x86-64 Linux. deepbet: any platform, seconds.",
    ),
]
Preprocess = Annotated[
    bool,
    typer.Option(
        "--preprocess/--no-preprocess",
        help="--no-preprocess: the scan is already skull-stripped and bias-corrected.",
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Do scans again whose bundle in OUT is already complete.")
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads of PyTorch on a CPU (2 unless set).")
]


@app.command(
    epilog="Example: parcela predict sub-*/anat/*_T1w.nii.gz -o out/ --skull-strip deepbet"
)
def predict(
    scans: Scans,
    out: Out = Path("parcela-out"),
    model: Annotated[
        ModelChoice,
        typer.Option(help="Which network; both: their averaged scores, and each one's map."),
    ] = ModelChoice.unet,
    preprocess: Preprocess = True,
    skull_strip: SkullStripOption = SkullStripChoice.robex,
    space: Annotated[
        SpaceChoice,
        typer.Option(help="The label map's grid: the scan's own, or the networks' (91, 122, 123)."),
    ] = SpaceChoice.native,
    device: Annotated[
        DeviceChoice, typer.Option(help="auto: CUDA where there is one.")
    ] = DeviceChoice.auto,
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
    from parcela_cli.commands.predict import predict_all

    _set_threads(threads)
    options: dict[str, Any] = {
        "model": model.value,
        "preprocess": preprocess,
        "skull_strip": skull_strip.value,
        "space": space.value,
        "device": device.value,
    }
    if server is not None:
        from parcela_cli.commands.predict_remotely import predict_remotely

        options["threads"] = threads
        raise typer.Exit(predict_remotely(scans, out, options, server=server, key=key, force=force))
    raise typer.Exit(predict_all(scans, out, options, force=force))


@app.command()
def preprocess(
    scans: Scans,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT", help="A folder for the results.")
    ] = Path("parcela-out"),
    preset: Annotated[
        PresetChoice,
        typer.Option(help="modern: as prediction does it. thesis: the published table, exactly."),
    ] = PresetChoice.modern,
    skull_strip: SkullStripOption = SkullStripChoice.robex,
    threads: Threads = None,
) -> None:
    """Bring scans to the networks' grid: the image, the brain mask on the scan's grid, and the way back as JSON."""
    from parcela_cli.commands.preprocess import preprocess_all

    _set_threads(threads)
    raise typer.Exit(preprocess_all(scans, out, preset.value, skull_strip.value))


@app.command()
def label(
    scans: Scans,
    out: Out = Path("parcela-out"),
    preset: Annotated[
        PresetChoice,
        typer.Option(
            help="modern: what the opening removes goes to the nearest region. thesis: the published method."
        ),
    ] = PresetChoice.modern,
    preprocess: Preprocess = True,
    skull_strip: SkullStripOption = SkullStripChoice.robex,
    threads: Threads = None,
    force: Force = False,
) -> None:
    """Label scans by registration instead of a network: AAL warped to each scan, the transforms, and a check of them.

    About two minutes a scan. The check says when a registration failed; its verdict ends the result line.
    """
    from parcela.options import LabelOptions
    from parcela_cli.commands.label import label_all

    _set_threads(threads)
    options = LabelOptions(preset.value, skull_strip.value, preprocess)
    raise typer.Exit(label_all(scans, out, options, force=force))


@app.command()
def regions() -> None:
    """List the 116 regions of AAL: id, name, hemisphere, lobe, colour (tab-separated)."""
    from parcela.atlas.aal import regions as all_regions

    print("index\tname\themisphere\tlobe\tcolor")
    for region in all_regions():
        print(f"{region.index}\t{region.name}\t{region.hemisphere}\t{region.lobe}\t{region.color}")


@app.command()
def models(
    model: Annotated[
        OneModelChoice | None,
        typer.Argument(metavar="[unet|highresnet]", help="Its regions, the weakest first."),
    ] = None,
) -> None:
    """List the networks that ship: variant, Dice, hash, and where the card of each lies; or one network's regions."""
    from parcela_cli.commands.models import list_models, list_regions

    if model is None:
        list_models()
    else:
        list_regions(model.value)


@app.command()
def doctor() -> None:
    """Check this installation: versions, accelerator, weights, whether ROBEX runs here, and what to do if not."""
    from parcela_cli.commands.doctor import examine

    raise typer.Exit(examine())


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT", help="A folder for the results.")
    ] = Path("out/demo"),
    skull_strip: SkullStripOption = SkullStripChoice.robex,
    threads: Threads = None,
) -> None:
    """Parcellate a real head that ships with Parcela (Colin27) end to end, and compare with AAL's own labels on it."""
    from parcela_cli.commands.demo import run_demo

    _set_threads(threads)
    raise typer.Exit(run_demo(out, skull_strip.value))


app.command()(prepare)
app.command()(train)
for command in (evaluate, report, experiment, compare, publish):
    app.command()(command)
app.command()(serve)
app.command()(worker)
app.add_typer(jobs, name="jobs")


def _set_threads(threads: int | None) -> None:
    """The option wins over the environment; child processes inherit it."""
    from pydantic import ValidationError

    from parcela.settings import settings

    if threads is not None:
        os.environ["PARCELA_TORCH_THREADS"] = str(threads)
        settings.cache_clear()
    try:
        settings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "PARCELA_" + "_".join(map(str, wrong["loc"])).upper()
        said = wrong["msg"].removeprefix("Value error, ")
        raise BadRequest(f"{name}={wrong['input']}: {said}: correct or unset it") from error


def _end(signum: int, _frame: FrameType | None) -> None:
    """Leave through every ``finally``: no child runs on and no temporary folder stays."""
    sys.exit(128 + signum)


def main(argv: list[str] | None = None) -> Any:
    """The console script: an error of Parcela's is one line on stderr and its class's exit code."""
    signal.signal(signal.SIGTERM, _end)
    try:
        return app(argv)
    except ParcelaError as error:
        problem = error
    except ModuleNotFoundError as error:
        problem = Unavailable(f"{error.name} is not installed: pip install 'parcela[all]'")
    print(f"parcela: {problem}", file=sys.stderr)
    sys.exit(problem.exit_code)


if __name__ == "__main__":
    main()
