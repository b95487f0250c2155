"""The networks that ship beside registration, in one table, and their losses on scans made worse on purpose.

    python benchmarks/accuracy.py --prepared DIR                      # the table
    python benchmarks/accuracy.py --prepared DIR --robustness COHORT  # the losses
    python benchmarks/accuracy.py --prepared DIR --part val           # never choose anything on test

Hours on two cores. Every image is kept as soon as it is done (``--work``), so that repeating the command goes on.
``--only networks`` measures the networks alone; the registrations' rows, which no weights change, stay as they were.
Writes benchmarks/results/accuracy.md and .json, or robustness.md and .json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parcela_benchmarks import accuracy, robustness, volumes
from parcela_benchmarks.degrade import CONDITIONS
from parcela_benchmarks.methods import method_groups
from parcela_benchmarks.results import read_results, write_results
from parcela_training.cohorts.find import find_cohort
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.progress import OnItem, counting


def main() -> None:
    arguments = _arguments()
    prepared = PreparedSet.read(arguments.prepared)
    if arguments.robustness:
        _measure_robustness(arguments, prepared)
    else:
        _measure_accuracy(arguments, prepared)


def _measure_accuracy(arguments: argparse.Namespace, prepared: PreparedSet) -> None:
    groups = method_groups(arguments.repeats)
    results = [
        result
        for group in groups
        if not arguments.only or group.name in arguments.only
        for result in accuracy.run_methods(
            group, prepared, arguments.part, arguments.work, _progress(group.name)
        )
    ]
    earlier = read_results("accuracy")
    earlier_rows = earlier["rows"] if earlier.get("part") == arguments.part else []
    titles = [title for group in groups for title in group.titles.values()]
    rows = accuracy.merged(earlier_rows, accuracy.records(results), titles)
    tables = [table(rows, arguments.part) for table in (accuracy.table, volumes.table)]
    write_results("accuracy", tables, {"part": arguments.part, "rows": rows})


def _measure_robustness(arguments: argparse.Namespace, prepared: PreparedSet) -> None:
    cohort = find_cohort(arguments.robustness)
    conditions = {
        condition: robustness.run_condition(
            condition, prepared, cohort, arguments.part, arguments.work, _progress(condition)
        )
        for condition in dict.fromkeys((robustness.ORIGINAL, *(arguments.only or CONDITIONS)))
    }
    losses = robustness.losses(conditions, prepared.datasets)
    table = robustness.table(losses, arguments.part)
    write_results("robustness", [table], {"part": arguments.part, "rows": losses})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--part", choices=("test", "val"), default="test")
    parser.add_argument("--repeats", type=int, default=5, help="images on which SyN is run twice")
    parser.add_argument("--robustness", type=Path, metavar="COHORT", help="the scans themselves")
    parser.add_argument("--only", nargs="+", help="some methods or conditions (as-is besides)")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks"))
    return parser.parse_args()


def _progress(what: str) -> OnItem:
    return counting(lambda line: print(line, file=sys.stderr, flush=True), what)


if __name__ == "__main__":
    main()
