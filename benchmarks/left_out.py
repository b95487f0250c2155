"""What augmentation gains on scanners that a network has not seen.

    python benchmarks/left_out.py --prepared DIR [--model unet]

Trains on all data sets of a cohort but one, at half the grid, and judges on that one; for each data set and each kind
of augmentation by itself. Minutes a training, 14 trainings a network for two data sets; repeating the command goes on.
The test images are not read. Writes benchmarks/results/left_out.md and .json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parcela.options import BOTH, networks_of
from parcela_benchmarks import left_out
from parcela_benchmarks.half_grid import halved
from parcela_benchmarks.results import write_results
from parcela_training.hardware import hardware
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.progress import counting


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--model", choices=(*BOTH, "both"), default="both")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks/left_out"))
    arguments = parser.parse_args()
    half = halved(PreparedSet.read(arguments.prepared), arguments.work / "half")
    progress = counting(lambda line: print(line, file=sys.stderr, flush=True), "train")
    rows = left_out.run(half, networks_of(arguments.model), arguments.work, progress)
    trials = left_out.trials(rows, half.datasets)
    table = left_out.table(trials, half)
    write_results("left_out", [table], {"measured_on": hardware(), "trials": trials})


if __name__ == "__main__":
    main()
