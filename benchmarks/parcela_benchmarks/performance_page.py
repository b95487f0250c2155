"""The table of docs/performance.md: a row for each file in benchmarks/results/speed/, whoever measured it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parcela.files import write_text
from parcela_benchmarks.pairs import RESULTS

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- measured: benchmarks/speed.py --table -->\n", "<!-- until here -->\n"
HEAD = """| what | against | instructions | before | now | times | n | voxels that differ |
|---|---|---|---|---|---|---|---|
"""


def write_table() -> None:
    """Put the rows between the page's marks."""
    put_between(BEGIN, END, table())


def put_between(begin: str, end: str, text: str) -> None:
    """Put a text between two marks of the page, in the place of what is there."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    write_text(PAGE, before + begin + text + end + after)


def table() -> str:
    """All rows, and on what they were measured."""
    rows = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob("*.json"))]
    machines = dict.fromkeys(
        f"{row['hardware']}; {', '.join(row['instruction_sets'])}" for row in rows
    )
    return HEAD + "".join(map(_line, rows)) + "\nMeasured on: " + "; ".join(machines) + ".\n"


def _line(row: Mapping[str, Any]) -> str:
    ratio = row["ratio"]
    spread = f" ({ratio[1]:g}–{ratio[2]:g})" if len(ratio) > 1 else ""
    differ = f"{row['differing']:,} of {row['labelled']:,}" if "differing" in row else ""
    cells = (
        *(row["what"], row["against"], row["instructions"]),
        *(f"{row['before']:g}", f"{row['now']:g} {row['unit']}", f"**{ratio[0]:g}**{spread}"),
        *(str(len(row["pairs"])) if "pairs" in row else "1", differ),
    )
    return "| " + " | ".join(cells) + " |\n"
