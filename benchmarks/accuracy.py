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
import json
import sys
from dataclasses import asdict
from pathlib import Path

from parcela_benchmarks import accuracy, robustness, volumes
from parcela_benchmarks.degrade import CONDITIONS
from parcela_benchmarks.methods import families
from parcela_training.cohorts.find import find_cohort
from parcela_training.hardware import hardware, versions
from parcela_training.journal import Row
from parcela_training.preparation.prepared import PreparedSet
from parcela_training.progress import Tell, counting
from parcela_training.report.document import Table
from parcela_training.report.markdown import to_markdown

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    arguments = _arguments()
    prepared = PreparedSet.read(arguments.prepared)
    if arguments.robustness:
        cohort = find_cohort(arguments.robustness)
        conditions = {
            condition: robustness.run_condition(
                condition, prepared, cohort, arguments.part, arguments.work, _teller(condition)
            )
            for condition in dict.fromkeys((robustness.ORIGINAL, *(arguments.only or CONDITIONS)))
        }
        found = robustness.losses(conditions)
        _write(
            "robustness",
            arguments.part,
            [robustness.table(found, arguments.part)],
            [asdict(loss) for loss in found],
        )
        return
    known = families(arguments.repeats)
    lines = [
        line
        for family in known
        if not arguments.only or family.name in arguments.only
        for line in accuracy.run_family(
            family, prepared, arguments.part, arguments.work, _teller(family.name)
        )
    ]
    titles = [title for family in known for title in family.titles.values()]
    rows = accuracy.merged(_kept(arguments.part), accuracy.records(lines), titles)
    tables = [table(rows, arguments.part) for table in (accuracy.table, volumes.table)]
    _write("accuracy", arguments.part, tables, rows)


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


def _teller(what: str) -> Tell:
    return counting(lambda line: print(line, file=sys.stderr, flush=True), what)


def _kept(part: str) -> list[Row]:
    """What an earlier run found on the same part."""
    file = RESULTS / "accuracy.json"
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return record["rows"] if record.get("part") == part else []


def _write(name: str, part: str, tables: list[Table], rows: object) -> None:
    text = to_markdown(tables, ".")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    record = {"part": part, "hardware": hardware(), "versions": versions(), "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
