"""Arguments that several commands take; what they say of an option stands in `parcela.options`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parcela.options import IdScheme, Options, PredictOptions, SkullStrip


def described(
    options: type[Options], name: str, flag: str | None = None
) -> typer.models.OptionInfo:
    """The command's option for a field of the options, with the field's own description as its help."""
    names = [flag] if flag else []
    option: typer.models.OptionInfo = typer.Option(
        *names, help=options.model_fields[name].description
    )
    return option


Scans = Annotated[
    list[Path],
    typer.Argument(
        metavar="SCAN…",
        help="T1-weighted scans: .nii, .nii.gz, .mgz, or DICOM series (folder, .zip).",
    ),
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
OutFolder = Annotated[
    Path, typer.Option("-o", "--out", metavar="OUT", help="A folder for the results.")
]
LabelMapArgument = Annotated[
    Path, typer.Argument(metavar="MAP", help="A label map of AAL, such as …_dseg.nii.gz.")
]
LabelMapOut = Annotated[
    Path,
    typer.Option(
        "-o", "--out", metavar="OUT", help="The new label map, a name ending in .nii or .nii.gz."
    ),
]
SourceIds = Annotated[
    IdScheme | None,
    typer.Option("--from", help="Of MAP; SPM's are recognised, others taken for Parcela's."),
]
Preprocess = Annotated[bool, described(Options, "preprocess", "--preprocess/--no-preprocess")]
SkullStripOption = Annotated[SkullStrip, described(Options, "skull_strip")]
Fast = Annotated[bool, described(Options, "fast", "--fast")]
TissuesOption = Annotated[bool, described(Options, "tissues", "--tissues")]
StandardSpaceOption = Annotated[
    bool, described(PredictOptions, "standard_space", "--standard-space")
]
ProbabilitiesOption = Annotated[bool, described(PredictOptions, "probabilities", "--probabilities")]
TemplateOption = Annotated[
    Path | None,
    typer.Option(
        "--template",
        metavar="IMAGE",
        help="A skull-stripped brain, such as MNI152's: its space is the standard space instead.",
    ),
]
Exact = Annotated[bool, described(PredictOptions, "exact", "--exact")]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", help="Have this server do it; the results are the same."
    ),
]
ServerKey = Annotated[
    str | None, typer.Option("--key", help="The server's API key; else PARCELA_API_KEY.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Do scans again whose results in OUT are complete, or another scan's of the same name.",
    ),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads of PyTorch on a CPU (2 unless set).")
]
