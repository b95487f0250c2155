"""One word for one thing, and a first line that says it: classes, sets of values, docstrings."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from architecture.source import modules

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
SCENARIOS = ("test_given_", "test_when_", "test_then_")
ENUMS = {"Enum", "StrEnum"}


def classes_twice(tree: Path) -> list[str]:
    """Class names that two modules of the product declare."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules(tree):
        for node in module.syntax.body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module.file)
    return twice(places)


def value_sets_twice(tree: Path) -> list[str]:
    """Sets of two or more strings that two Literals or enumerations of the product declare."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules(tree):
        for node in ast.walk(module.syntax):
            values = set(values_of(node))
            if len(values) > 1:
                places[", ".join(sorted(values))].append(module.file)
    return twice(places)


def values_of(node: ast.AST) -> Iterator[str]:
    """The strings of a ``Literal[…]`` or of an enumeration's members; else nothing."""
    match node:
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inside):
            elements = inside.elts if isinstance(inside, ast.Tuple) else [inside]
        case ast.ClassDef(bases=bases) if any(ast.unparse(base) in ENUMS for base in bases):
            elements = [member.value for member in node.body if isinstance(member, ast.Assign)]
        case _:
            return
    for element in elements:
        if isinstance(element, ast.Constant) and isinstance(element.value, str):
            yield element.value


def twice(places: dict[str, list[str]]) -> list[str]:
    """Each name that has more than one place, with its places."""
    return [
        f"{name} ({', '.join(lines)})" for name, lines in sorted(places.items()) if len(lines) > 1
    ]


def unfinished_first_lines(tree: Path) -> list[str]:
    """Docstrings whose first line, all that an editor shows, ends in the middle of a sentence."""
    return [
        f"{module.file}: {text.splitlines()[0]}"
        for module in modules(tree)
        for node in ast.walk(module.syntax)
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node))
        if not text.splitlines()[0].rstrip("`)\"'").endswith((".", "!", "?"))
    ]


def nameless_tests(tree: Path) -> list[str]:
    """A test's name says what is given, what happens, and what then holds."""
    return [
        f"{path.relative_to(tree).as_posix()}: {node.name}"
        for path in sorted((tree / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and not node.name.startswith(SCENARIOS)
    ]
