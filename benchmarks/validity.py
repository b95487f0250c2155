"""What the volumes of one head owe to the machine, to the file's form, and to the picture.

    python benchmarks/validity.py --cohort DIR

Each scan of ``--scans`` goes through `parcela predict` in some twenty ways: again, on other threads and instructions,
under other headers, turned, resampled, with noise. ``--mode`` is the network, behind deepbet, six processor minutes a
scan; or ``robex``, the usual network behind ROBEX, half an hour. Every map is kept below ``--work``, so that repeating
the command goes on. Writes benchmarks/results/validity.md and .json and the table of docs/validity.md after every
scan; ``--tables`` does that alone. What is not measured again stays as it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from parcela_benchmarks import validity
from parcela_benchmarks.results import read_results, write_results
from parcela_benchmarks.validity import MODES, WAYS
from parcela_training.cohorts.cohort import Image
from parcela_training.cohorts.find import find_cohort

SCANS = (
    *("sub-ixi052", "sub-ds021", "sub-ixi127", "sub-ixi214", "sub-ds040"),
    *("sub-ixi362", "sub-ixi446", "sub-ixi612"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cohort", type=Path, required=True, help="BIDS, with brain masks")
    parser.add_argument("--scans", nargs="+", default=SCANS)
    parser.add_argument("--mode", choices=list(MODES), default="warp")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), help="some of the ways")
    parser.add_argument("--tables", action="store_true", help="run nothing")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks/validity"))
    arguments = parser.parse_args()

    images = {image.id: image for image in find_cohort(arguments.cohort).images}
    chosen = [images[name] for name in arguments.scans]
    for image in [] if arguments.tables else chosen:
        validity.run(image, arguments.mode, arguments.ways, arguments.work)
        _write(chosen, arguments.work)
    _write(chosen, arguments.work)


def _write(images: Sequence[Image], work: Path) -> None:
    each = (
        validity.row(image, mode, name, work) for mode in MODES for image in images for name in WAYS
    )
    earlier = read_results("validity").get("rows", [])
    rows = validity.merged(earlier, [row for row in each if row is not None])
    tables = [
        table(rows, mode) for mode in MODES for table in (validity.same_table, validity.close_table)
    ]
    write_results("validity", [table for table in tables if table.rows], {"rows": rows})
    validity.write_page(rows)


if __name__ == "__main__":
    main()
