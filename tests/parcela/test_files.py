"""Files that appear whole or not at all."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from parcela.files import atomic_file, write_text, write_tsv


def test_given_text_when_written_then_the_old_file_is_replaced_and_permissions_follow_the_umask(
    tmp_path: Path,
) -> None:
    path, twin = tmp_path / "file.txt", tmp_path / "twin.txt"
    path.write_text("old")
    twin.touch()

    write_text(path, "Größe\n")

    assert path.read_bytes() == "Größe\n".encode()
    assert path.stat().st_mode == twin.stat().st_mode


def test_given_an_error_while_writing_then_the_old_file_stays_and_no_part_is_left(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with atomic_file(path) as stream:
            stream.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()

    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "old"


CELLS = [["plain", "a\ttab"], ['a "quote"', "two\nlines"], ["n/a", "Größe"]]


def test_given_any_text_when_written_as_a_table_then_csv_and_pandas_read_it_back(
    tmp_path: Path,
) -> None:
    path = tmp_path / "table.tsv"

    write_tsv(path, ["one", "two"], CELLS)

    with path.open(newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream, delimiter="\t")) == [["one", "two"], *CELLS]
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    assert table.to_numpy().tolist() == CELLS


def test_given_numbers_when_written_as_a_table_then_the_bytes_are_those_of_pandas(
    tmp_path: Path,
) -> None:
    table = pd.DataFrame({"name": ['a "b"', "c"], "value": [0.1 + 0.2, None], "count": [1, 2]})

    write_tsv(tmp_path / "ours.tsv", list(table), [['a "b"', 0.1 + 0.2, 1], ["c", None, 2]])
    table.to_csv(tmp_path / "pandas.tsv", sep="\t", index=False, lineterminator="\n")

    assert (tmp_path / "ours.tsv").read_bytes() == (tmp_path / "pandas.tsv").read_bytes()
