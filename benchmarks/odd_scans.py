"""Scans spoilt on purpose: the map of each against the sound scan's own, by an earlier Parcela and by this one.

    python benchmarks/odd_scans.py --cohort DIR --before OLD/.venv/bin/python

Negative intensities, cut fields of view, heads said to be brains, tilted grids, on a scan of each data set. An hour
on two cores; every map is kept below ``--work`` as soon as it is done, so that repeating the command goes on.
Writes benchmarks/results/odd_scans.md and .json, and the table of docs/scans.md; ``--tables`` does that alone, from the
maps that lie there.
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
    parser.add_argument("--tables", action="store_true", help="run nothing")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks/odd_scans"))
    arguments = parser.parse_args()

    installations = [Parcela("after", sys.executable)]
    if arguments.before:
        installations.insert(0, Parcela("before", arguments.before))
    images = {image.id: image for image in find_cohort(arguments.cohort).images}
    rows = []
    for image in (images[name] for name in arguments.scans):
        names = [
            each
            for each in odd_scans.names_for(image)
            if not arguments.only or each in arguments.only or each not in SITUATIONS
        ]
        if not arguments.tables:
            odd_scans.run(image, names, installations, arguments.work)
        rows += [
            odd_scans.row(image, each, ("before", "after"), arguments.work)
            for each in odd_scans.names_for(image)
            if each in SITUATIONS
        ]
    rows.sort(key=lambda row: list(SITUATIONS).index(row["situation"]))
    table = odd_scans.table(rows, ("before", "after"))
    write_results("odd_scans", [table], {"rows": rows})
    odd_scans.write_page(rows)


if __name__ == "__main__":
    main()
