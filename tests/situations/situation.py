"""One situation: a file, a command, and what happens. Tests prove each; ``docs/situations.md`` lists all."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from command import parcela_here
from gateway_server import Gateway
from parcela.atlas.aal import COLIN27_BRAIN, COLIN27_HEAD
from parcela.imaging.volume import read_volume
from parcela_cli.app import main

Image = NDArray[np.float32]
Affine = NDArray[np.float64]

STEP_MM = 3
MAP = "MAP.nii.gz"


@dataclass(frozen=True)
class World:
    """What a situation may use: a folder of its own, and a gateway."""

    folder: Path
    gateway: Callable[[], Gateway]


Happening = tuple[str, str]  # "exit 0" or "HTTP 400"; all that was said


def said(done: subprocess.CompletedProcess[str]) -> Happening:
    """How a process ended, and all that it said."""
    return f"exit {done.returncode}", done.stdout + done.stderr


@dataclass(frozen=True)
class Situation:
    """One row of the page.

    Attributes:
        kind: a letter of `KINDS`.
        file: what is given, in words.
        command: what is done with it, as a user would write it.
        outcome: how it ends, such as ``exit 2``.
        said: words of what is said then; in the page as they stand here.
        run: does it.
        slow: needs the real networks, or PyTorch in a process of its own.
        silent: whether nothing may be said beside the result.
    """

    kind: str
    file: str
    command: str
    outcome: str
    said: str
    run: Callable[[World], Happening]
    slow: bool = False
    silent: bool = False


SITUATIONS: list[Situation] = []


def situation(
    kind: str, file: str, command: str, outcome: str, said: str, *, slow: bool = False
) -> Callable[[Callable[[World], Happening]], None]:
    """Add a situation that a function carries out."""

    def add(run: Callable[[World], Happening]) -> None:
        SITUATIONS.append(Situation(kind, file, command, outcome, said, run, slow))

    return add


Build = Callable[[Path], Path | None]


def scan(
    kind: str,
    file: str,
    build: Build,
    said: str,
    *,
    code: int = 0,
    options: str = "--no-preprocess",
    name: str = "SCAN.nii.gz",
) -> None:
    """Add a scan that ``parcela predict`` is given.

    ``build`` writes it to the path that it gets, or returns another one. A ``said`` of nothing means that nothing is.
    """

    def run(world: World) -> Happening:
        path = world.folder / name
        path = build(path) or path
        done = parcela_here("predict", path, *options.split(), "-o", world.folder / MAP)
        said_of_it = done.err.replace(str(path), "SCAN").replace(str(world.folder), "")
        return f"exit {done.code}", said_of_it

    command = " ".join(f"parcela predict {options} {Path(name).name} -o {MAP}".split())
    row = Situation(kind, file, command, f"exit {code}", said, run, silent=not said)
    SITUATIONS.append(row)


# ---------------------------------------------------------------------------------------- small heads


@cache
def _thinned(path: Path, border: int) -> tuple[Image, Affine]:
    whole = read_volume(path)
    data = np.pad(whole.data[::STEP_MM, ::STEP_MM, ::STEP_MM], border)
    affine = whole.geometry.affine @ np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, border)
    return data, affine


def brain() -> tuple[Image, Affine]:
    """Colin27's brain with voxels of 3 mm, room around it."""
    return _copied(*_thinned(COLIN27_BRAIN, 3))


def head() -> tuple[Image, Affine]:
    """Colin27's whole head with voxels of 3 mm."""
    return _copied(*_thinned(COLIN27_HEAD, 0))


def _copied(data: Image, affine: Affine) -> tuple[Image, Affine]:
    return data.copy(), affine.copy()


def save(path: Path, data: NDArray[np.generic], affine: Affine) -> None:
    """A NIfTI file with this affine in sform and qform."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def changed(change: Callable[[Image], NDArray[np.generic]]) -> Build:
    """Writes the brain with other intensities."""

    def build(path: Path) -> None:
        data, affine = brain()
        save(path, change(data), affine)

    return build


def main_into(out: object, err: object, *arguments: str | Path) -> int:
    """Run the command in this process with these as its streams; its exit code."""
    with (
        patch.dict(os.environ),
        redirect_stdout(out),  # type: ignore[type-var]
        redirect_stderr(err or StringIO()),  # type: ignore[type-var]
    ):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            return int(end.code or 0)
    return 0
