"""The networks that ship beside registration, in one table, and their losses on scans made worse on purpose.

    python benchmarks/accuracy.py --prepared DIR                      # the table
    python benchmarks/accuracy.py --prepared DIR --robustness COHORT  # the losses
    python benchmarks/accuracy.py --prepared DIR --part val           # never choose anything on test

Hours on two cores. Every image is kept as soon as it is done (``--work``), so that repeating the command goes on.
Writes benchmarks/results/accuracy.md and .json, or robustness.md and .json.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from parcela_training.benchmark import accuracy, robustness
from parcela_training.benchmark.degrade import CONDITIONS
from parcela_training.benchmark.methods import families
from parcela_training.cohorts.find import find_cohort
from parcela_training.hardware import hardware, versions
from parcela_training.prepared import PreparedSet
from parcela_training.report.document import Table
from parcela_training.report.markdown import to_markdown
from parcela_training.telling import Tell, counting

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    arguments = _arguments()
    prepared = PreparedSet.read(arguments.prepared)
    if arguments.robustness:
        cohort = find_cohort(arguments.robustness)
        rows = {
            condition: robustness.run_condition(
                condition, prepared, cohort, arguments.part, arguments.work, _teller(condition)
            )
            for condition in arguments.only or CONDITIONS
        }
        found = robustness.losses(rows)
        _write(
            "robustness", robustness.table(found, arguments.part), [asdict(loss) for loss in found]
        )
        return
    lines = [
        line
        for family in families(arguments.repeats)
        if not arguments.only or family.name in arguments.only
        for line in accuracy.run_family(
            family, prepared, arguments.part, arguments.work, _teller(family.name)
        )
    ]
    _write("accuracy", accuracy.table(lines, arguments.part), accuracy.metrics(lines))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--part", choices=("test", "val"), default="test")
    parser.add_argument("--repeats", type=int, default=5, help="images on which SyN is run twice")
    parser.add_argument("--robustness", type=Path, metavar="COHORT", help="the scans themselves")
    parser.add_argument("--only", nargs="+", help="some methods or conditions")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks"))
    return parser.parse_args()


def _teller(what: str) -> Tell:
    return counting(lambda line: print(line, file=sys.stderr, flush=True), what)


def _write(name: str, table: Table, rows: object) -> None:
    text = to_markdown([table], ".")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    record = {"hardware": hardware(), "versions": versions(), "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
