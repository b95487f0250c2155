"""How fast a whole head becomes a map beside the thesis's chain, and N4 beside ANTs' own.

    python benchmarks/speed_preprocessing.py                  # every measurement: some 50 minutes of a processor
    python benchmarks/speed_preprocessing.py --only n4-2mm    # some of them

Each is a file in benchmarks/results/speed/; benchmarks/speed.py --table makes them rows of docs/performance.md.
The thesis's chain is ROBEX, N4 as it calls ANTs, its other seven steps and MONAI's own forward pass.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ants
import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import COLIN27_BRAIN, COLIN27_HEAD
from parcela.imaging.volume import read_volume
from parcela_benchmarks.pairs import ONE_THREAD, in_turn, record
from parcela_preprocess.bias_field import without_bias

HEAD = "Colin27's whole head (181×217×181) to the map's file, one process"
CHAIN = "the thesis's chain"
THESIS = """
import sys
from pathlib import Path
from parcela.imaging.label_map import write_label_map
from parcela.imaging.volume import read_volume
from parcela_inference.parcellate import parcellate
from parcela_preprocess.preprocess import preprocess
scan = read_volume(sys.argv[1])
done = preprocess(scan, preset="thesis", skull_strip="robex")
labels = parcellate(done.image, done.trail, exact=True).labels
write_label_map(Path(sys.argv[2]), labels, scan.geometry)
"""


def n4(spacing_mm: int, runs: int) -> None:
    """ANTs' N4 as the thesis calls it, and ours, on Colin27's brain."""
    step = slice(None, None, spacing_mm)
    image = np.ascontiguousarray(read_volume(COLIN27_BRAIN).data[step, step, step])
    mask: NDArray[np.bool_] = image > 0
    shape = "×".join(map(str, image.shape))
    row = {
        "what": f"N4, {shape}",
        "against": "ANTs as the thesis calls it",
        "instructions": "native",
    }
    pairs = in_turn(
        lambda: ants.n4_bias_field_correction(ants.from_numpy(image)),
        lambda: without_bias(image, mask),
        runs,
    )
    record(f"n4-{spacing_mm}mm", row, [list(pair) for pair in pairs])


def chains(runs: int) -> None:
    """The thesis's chain and ``parcela predict`` by the U-Net, with `--fast` and ROBEX, each in its own process."""
    predict = [sys.executable, "-m", "parcela_cli.app", "predict", str(COLIN27_HEAD)]
    predict += ["--model", "unet"]
    commands = {
        "thesis": [sys.executable, "-c", THESIS, str(COLIN27_HEAD)],
        "chain-fast": [*predict, "--fast", "-o"],
        "chain-robex": [*predict, "--skull-strip", "robex", "-o"],
    }
    rounds = []
    for _ in range(runs):
        rounds.append({name: _seconds(command) for name, command in commands.items()})
        print(rounds[-1], flush=True)
    for name, what in (("chain-fast", "`--fast`, U-Net"), ("chain-robex", "ROBEX, U-Net")):
        row = {"what": f"{HEAD}, {what}", "against": CHAIN, "instructions": "native"}
        record(name, row, [[each["thesis"], each[name]] for each in rounds])


def _seconds(command: list[str]) -> float:
    """Processor seconds of a command and of all that it starts; a file to write is its last argument."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        settings = (f"{name}={value}" for name, value in ONE_THREAD.items())
        out = str(Path(folder) / "map.nii.gz")
        subprocess.run(["env", *settings, *command, out], check=True, capture_output=True)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime, 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="such as n4-2mm, chains")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    every: dict[str, Callable[[], None]] = {
        "n4-1mm": partial(n4, 1, arguments.runs),
        "n4-2mm": partial(n4, 2, arguments.runs),
        "chains": partial(chains, arguments.runs),
    }
    for name, run in every.items():
        if not arguments.only or name in arguments.only:
            run()
            print(name, flush=True)


if __name__ == "__main__":
    main()
