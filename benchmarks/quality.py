"""How often the quality verdict is right, on good maps and on scans spoilt on purpose; and the reference it rests on.

    python benchmarks/quality.py --prepared DIR --reference         # the reference that ships
    python benchmarks/quality.py --prepared DIR --cohort COHORT     # the table

About 100 runs of the U-Net and of the network that registers, half an hour of one processor. Each is kept once it is
done (``--work``), so that repeating the command goes on, and other bounds are tried in a minute. Run the reference
last, after the runs of the validation images: the networks' usual certainty is theirs.
Writes benchmarks/results/quality.md and .json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parcela_benchmarks.quality_reference import write_reference
from parcela_benchmarks.quality_runs import JUDGED, Run, cases, run_case
from parcela_benchmarks.quality_table import judged, table
from parcela_benchmarks.results import write_results
from parcela_training.cohorts.find import find_cohort
from parcela_training.preparation.prepared_set import PreparedSet


def main() -> None:
    arguments = _arguments()
    prepared = PreparedSet.read(arguments.prepared)
    if arguments.reference:
        write_reference(prepared, arguments.work)
        return
    cohort = find_cohort(arguments.cohort)
    arguments.work.mkdir(parents=True, exist_ok=True)
    todo = list(cases(prepared, arguments.second))
    for number, case in enumerate(todo, start=1):
        path = arguments.work / case.file
        if not path.is_file():
            run_case(case, prepared, cohort).save(path)
            print(f"{number} of {len(todo)}: {case.file}", file=sys.stderr, flush=True)
    rows = [
        judged(case, Run.load(arguments.work / case.file), network, arguments.work)
        for network in JUDGED
        for case in todo
    ]
    write_results("quality", [table(rows)], {"rows": rows})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--cohort", type=Path, help="the scans themselves")
    parser.add_argument("--second", type=int, default=26, help="ways tried on a second subject")
    parser.add_argument("--reference", action="store_true", help="make the reference instead")
    parser.add_argument("--work", type=Path, default=Path(".cache/quality"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
