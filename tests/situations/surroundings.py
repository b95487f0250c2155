"""Situations I, K and L: what surrounds the command: its user, the memory, whoever reads what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import TextIO

import pytest

from command import PARCELA
from situations.situation import Happening, World, brain, main_into, said, save, situation

# ---------------------------------------------------------------------------------------- I: a user without a name


def nobody(environment: str, given: dict[str, str]) -> None:
    @situation(
        "I",
        f"a user id without a passwd entry, {environment}",
        "parcela doctor",
        "exit 0",
        "weights: unet",
        slow=True,
    )
    def _(world: World) -> Happening:
        as_nobody = ["unshare", "--user", "--map-user=54321"]
        if (
            not shutil.which("unshare")
            or subprocess.run([*as_nobody, "true"], check=False).returncode
        ):
            pytest.skip("needs user namespaces")
        names = {"USER", "LOGNAME", "LNAME", "USERNAME", "HOME"}
        env = {name: value for name, value in os.environ.items() if name not in names} | given
        command = [*as_nobody, *PARCELA, "doctor"]
        return said(subprocess.run(command, env=env, capture_output=True, text=True, check=False))


nobody("neither USER nor HOME set", {})
nobody("HOME alone set", {"HOME": "/tmp"})
nobody("USER alone set", {"USER": "jane"})


# ---------------------------------------------------------------------------------------- K: memory


def limited(command: str, kilobytes: int, words: str, *, slow: bool = False) -> None:
    shown = f"ulimit -v {kilobytes}; parcela {command} SCAN"

    @situation("K", "a brain, too little memory", shown, "exit 3", words, slow=slow)
    def _(world: World) -> Happening:
        path = world.folder / "scan.nii"
        save(path, *brain())
        line = [*PARCELA, *command.split(), str(path), "-o", str(world.folder / "out")]
        shell = ["sh", "-c", f'ulimit -v {kilobytes}; exec "$@"', "sh", *line]
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        return said(subprocess.run(shell, env=env, capture_output=True, text=True, check=False))


NEEDED = "and a scan of the usual size needs about 2 GB"
limited("predict", 900_000, f"this process may take 0.9 GB of memory (`ulimit -v`), {NEEDED}")
limited("label", 300_000, f"this process may take 0.3 GB of memory (`ulimit -v`), {NEEDED}")
limited(
    "predict --no-preprocess --threads 1 --exact", 2_700_000, f"memory ran out, {NEEDED}", slow=True
)


# ---------------------------------------------------------------------------------------- L: nobody reads


def unheard(
    file: str, command: str, *, full: bool = False, out: bool = True, err: bool = False
) -> None:
    @situation("L", file, command, "exit 0", "2 of 2 bundles")
    def _(world: World) -> Happening:
        paths = [world.folder / f"{name}.nii.gz" for name in "ab"]
        for path in paths:
            save(path, *brain())
        with ExitStack() as stack:
            stream = stack.enter_context(_lost(full=full))
            results = world.folder / "out"
            streams = (stream if out else StringIO(), stream if err else StringIO())
            code = main_into(*streams, "predict", "--no-preprocess", *paths, "-o", results)
        return f"exit {code}", f"{len(list(results.glob('*_manifest.json')))} of 2 bundles"


def _lost(*, full: bool) -> TextIO:
    """A stream that takes nothing."""
    if full and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    if full:
        return open("/dev/full", "w")
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w")


unheard("two brains, the reader of stdout gone", "parcela predict a b | true")
unheard("two brains, all readers gone", "parcela predict a b 2>&1 | true", err=True)
unheard("two brains, stdout on a full disk", "parcela predict a b > /dev/full", full=True)
