"""The measures of the house, on a tree small enough to count by eye."""

from __future__ import annotations

from pathlib import Path

import pytest

import house

SCAN = '''"""What a scan is when
it was read."""

class Scan:
    """A scan."""


def read(model: str, skull_strip: str, space: str) -> str:
    # not a line of code
    return Popen(f"<html>{model}")
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "shared/parcela/__init__.py": "",
        "shared/parcela/scan.py": SCAN,
        "cli/parcela_cli/__init__.py": "",
        "cli/parcela_cli/scan.py": "class Scan: ...\n\ndef pour() -> None:\n    found = 1\n",
        "tests/test_scan.py": "def test_given_x_then_y():\n    assert 1\n    with pytest.raises(E):\n        pass\n",
        "benchmarks/b.py": "x = 1\n",
    }
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("product: files", "4"),
        ("product: lines", "14"),
        ("product: code lines (no blanks, comments, docstrings)", "6"),
        ("product and benchmarks: lines", "15"),
        ("class names declared twice", "1: Scan (shared/parcela/scan.py, cli/parcela_cli/scan.py)"),
        ("declarations of a prediction's options", "1: shared/parcela/scan.py:8"),
        ("modules that start a child", "1: shared/parcela/scan.py"),
        ("skeletons of an HTML page", "1: shared/parcela/scan.py"),
        ("old names left", "1: pour ×1"),
        ("uses of variables named found, known, own, there, kept", "1"),
        ("functions over 40 lines", "0"),
        ("most parameters", "3"),
        ("assertions in tests", "2"),
    ],
)
def test_given_a_small_tree_when_measured_then_it_is_counted(
    tree: Path, measure: str, value: str
) -> None:
    assert house.measures(tree)[measure] == value
