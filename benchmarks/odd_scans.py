"""Scans spoilt on purpose: the map of each against the sound scan's own, by an earlier Parcela and by this one.

    python benchmarks/odd_scans.py --cohort DIR --before OLD/.venv/bin/python

Negative intensities, cut fields of view, heads said to be brains, tilted grids, on a scan of each data set. An hour
on two cores; every map is kept below ``--work`` as soon as it is done, so that repeating the command goes on.
Writes benchmarks/results/odd_scans.md and .json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parcela_benchmarks import odd_scans
from parcela_benchmarks.faults import SITUATIONS
from parcela_benchmarks.odd_scans import Parcela
from parcela_benchmarks.results import write_results
from parcela_training.cohorts.find import find_cohort


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cohort", type=Path, required=True, help="BIDS, with brain masks")
    parser.add_argument("--scans", nargs="+", default=["sub-ixi052", "sub-ds021"])
    parser.add_argument("--before", metavar="PYTHON", help="an earlier installation's interpreter")
    parser.add_argument("--only", nargs="+", help="some situations")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks/odd_scans"))
    arguments = parser.parse_args()

    installations = [Parcela("after", sys.executable)]
    if arguments.before:
        installations.insert(0, Parcela("before", arguments.before))
    labels = [each.label for each in installations]
    images = {image.id: image for image in find_cohort(arguments.cohort).images}
    rows = []
    for name in arguments.scans:
        image = images[name]
        names = [
            each
            for each in odd_scans.names_for(image)
            if not arguments.only or each in arguments.only or each not in SITUATIONS
        ]
        odd_scans.run(image, names, installations, arguments.work)
        rows += [
            odd_scans.row(image, each, labels, arguments.work)
            for each in names
            if each in SITUATIONS
        ]
    rows.sort(key=lambda row: list(SITUATIONS).index(row["situation"]))
    write_results("odd_scans", [odd_scans.table(rows, labels)], {"rows": rows})


if __name__ == "__main__":
    main()
