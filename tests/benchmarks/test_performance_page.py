"""The table of docs/performance.md is made from the measurements' files, whoever added one."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcela_benchmarks import performance_page
from parcela_benchmarks.pairs import in_turn, record
from parcela_benchmarks.performance_page import BEGIN, END, PAGE, table, write_table


def test_when_the_page_is_looked_at_then_its_table_is_that_of_the_measurements() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"{BEGIN}{table()}{END}" in text, "stale: python benchmarks/speed.py --table"


def test_given_a_new_measurement_then_it_is_a_row_with_the_ratio_of_each_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n", encoding="utf-8")
    monkeypatch.setattr(performance_page, "PAGE", page)
    for module in ("pairs", "performance_page"):
        monkeypatch.setattr(f"parcela_benchmarks.{module}.RESULTS", tmp_path)
    row = {"what": "N4", "against": "the thesis's", "instructions": "native"}
    record("n4", row, [[8.0, 1.0], [9.0, 3.0], [8.0, 2.0]])

    write_table()

    text = page.read_text(encoding="utf-8")
    assert "| N4 | the thesis's | native | 8 | 2 processor seconds | **4** (3–8) | 3 |" in text
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}after\n")
    assert "old" not in text


def test_given_two_ways_then_they_take_turns() -> None:
    calls: list[str] = []
    pairs = in_turn(lambda: calls.append("before"), lambda: calls.append("now"), 2)
    assert calls == ["before", "now"] * 2
    assert len(pairs) == 2
