"""Where the benchmarks' results lie: a page of tables to read, and the same for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parcela.files import write_text
from parcela_training.hardware import hardware, versions
from parcela_training.jsonable import to_jsonable
from parcela_training.report.document import Table
from parcela_training.report.markdown import to_markdown

RESULTS = Path(__file__).parents[1] / "results"


def write_results(name: str, tables: Sequence[Table], record: Mapping[str, Any]) -> None:
    """Write ``NAME.md`` and ``NAME.json``, and print the page; the record also says on what it was measured."""
    text = to_markdown(tables, ".")
    RESULTS.mkdir(exist_ok=True)
    write_text(RESULTS / f"{name}.md", text)
    machine = {"hardware": hardware(), "versions": versions()}
    write_text(
        RESULTS / f"{name}.json", json.dumps(to_jsonable({**machine, **record}), indent=1) + "\n"
    )
    print(text)


def write_part(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two marks of a page of the documentation."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    write_text(page, f"{before}{begin}{text}{end}{rest.partition(end)[2]}")


def read_part(page: Path, begin: str, end: str) -> str:
    """What stands there."""
    return page.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]


def read_results(name: str) -> dict[str, Any]:
    """What an earlier run wrote for programs; empty where none did."""
    file = RESULTS / f"{name}.json"
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return record
