"""Results of long work, a JSON line each as soon as it is found: after a kill the work goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parcela.files import write_text

Row = dict[str, Any]


class Journal:
    """Rows by name, on disk from the moment they are added.

    The first line says what the rows were made from. A file of another make is begun anew, and a last line that a kill
    tore is left out.

    Args:
        path: the file; its folder is made where it is not there.
        made_from: whatever changes the rows, as plain JSON values.
    """

    def __init__(self, path: Path, made_from: Mapping[str, Any]) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        head = {"made_from": dict(made_from)}
        lines = _read(path)
        if lines and lines[0] == json.loads(json.dumps(head)):
            self.rows = {line["name"]: line for line in lines[1:]}
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(_line(row) for row in (head, *self.rows.values()))
        if not path.is_file() or path.read_bytes() != text.encode("utf-8"):
            write_text(path, text)

    def add(self, name: str, row: Mapping[str, Any]) -> None:
        """Keep a row; of several with one name the last counts. Raises ValueError for NaN: write None."""
        whole = {"name": name, **row}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(_line(whole))
        self.rows[name] = whole


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _read(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows
