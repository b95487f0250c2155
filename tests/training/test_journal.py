"""Rows on disk from the moment they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcela_training.journal import Journal

MADE_FROM = {"weights": "abc", "parts": ["test"]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    journal = Journal(tmp_path / "deep" / "rows.jsonl", MADE_FROM)
    journal.add("one", {"dice": [0.5, None]})
    journal.add("two", {"dice": [0.25, 1.0]})
    return journal.path


def test_given_rows_when_read_again_then_they_are_the_same(file: Path) -> None:
    again = Journal(file, MADE_FROM)

    assert list(again.rows) == ["one", "two"]
    assert again.rows["one"]["dice"] == [0.5, None]


def test_given_a_line_that_a_kill_tore_when_read_then_only_it_is_lost(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])

    again = Journal(file, MADE_FROM)
    again.add("three", {"dice": []})

    assert list(Journal(file, MADE_FROM).rows) == ["one", "three"]


def test_given_rows_of_another_make_when_read_then_none_is_reused(file: Path) -> None:
    assert Journal(file, MADE_FROM | {"weights": "other"}).rows == {}


def test_given_a_row_twice_when_read_then_the_last_counts(file: Path) -> None:
    Journal(file, MADE_FROM).add("one", {"dice": [0.75]})

    assert Journal(file, MADE_FROM).rows["one"]["dice"] == [0.75]


def test_given_nan_when_added_then_it_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Journal(file, MADE_FROM).add("bad", {"dice": [float("nan")]})
