"""A source tree as its syntax: packages, modules, imports. The rules and the measures are counted on it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PARTS = ("shared/*", "services/*/*", "training/*", "cli/*")


@dataclass(frozen=True)
class Package:
    """One importable package of the tree, and the part that it belongs to."""

    name: str
    part: str
    folder: Path


@dataclass(frozen=True)
class Module:
    """One source file of the product: ``file`` is its path in the tree, ``name`` what imports it."""

    name: str
    file: str
    path: Path

    @property
    def package(self) -> str:
        return self.name.split(".")[0]

    @property
    def room(self) -> str:
        """The first level below the package: a folder, or a module that lies beside the folders."""
        return ".".join(self.name.split(".")[:2])

    @property
    def syntax(self) -> ast.Module:
        return parsed(self.path, self.path.stat().st_mtime_ns)

    @property
    def lines(self) -> int:
        return len(self.path.read_text(encoding="utf-8").splitlines())


@dataclass(frozen=True)
class Import:
    """One import statement: ``file`` (path in the tree) line ``line`` imports ``module``."""

    file: str
    line: int
    module: str
    lazy: bool

    @property
    def root(self) -> str:
        return self.module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


@cache
def parsed(path: Path, _changed: int) -> ast.Module:
    """The syntax of a file, read once for all rules."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def packages(tree: Path) -> dict[str, Package]:
    """Every package of the tree by name."""
    return {
        folder.name: Package(folder.name, folder.relative_to(tree).parts[0], folder)
        for pattern in PARTS
        for folder in sorted(tree.glob(pattern))
        if folder.is_dir() and any(folder.glob("*.py"))
    }


def modules(tree: Path) -> list[Module]:
    """Every source file of the product, in the order of its path."""
    return [module for package in packages(tree).values() for module in modules_of(tree, package)]


def modules_of(tree: Path, package: Package) -> list[Module]:
    """The source files of one package."""
    return [
        Module(
            ".".join(path.relative_to(package.folder.parent).with_suffix("").parts).removesuffix(
                ".__init__"
            ),
            path.relative_to(tree).as_posix(),
            path,
        )
        for path in sorted(package.folder.rglob("*.py"))
    ]


def imports(tree: Path, package: Package) -> Iterator[Import]:
    """All absolute imports of a package, those inside functions and by ``import_module("…")`` too."""
    for module in modules_of(tree, package):
        yield from imports_of(module)


def imports_of(module: Module) -> Iterator[Import]:
    """The absolute imports of one module; ``from a import b`` is one of ``a.b`` too."""
    lazy_nodes = {
        id(inner)
        for outer in ast.walk(module.syntax)
        if is_deferred(outer)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(module.syntax):
        for name in modules_named(node):
            yield Import(module.file, getattr(node, "lineno", 0), name, id(node) in lazy_nodes)


def is_deferred(node: ast.AST) -> bool:
    """Whether what stands inside runs later, or never: a function, or a block for type checkers."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_type_checkers(node)


def is_for_type_checkers(node: ast.AST) -> bool:
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def modules_named(node: ast.AST) -> list[str]:
    """The modules that one syntax node imports by absolute name."""
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case ast.Call(
            func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
            args=[ast.Constant(value=str(module)), *_],
        ):
            return [module]
    return []


def edges(tree: Path) -> set[tuple[Module, Module]]:
    """Who imports whom inside the product, as (importer, imported), blocks for type checkers left out.

    ``from a import b`` is an import of ``a.b`` where that is a module.
    """
    by_name = {module.name: module for module in modules(tree)}
    return {
        (module, by_name[target])
        for module in by_name.values()
        for node in executed(module.syntax)
        for target in targets(node, by_name)
        if target != module.name
    }


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Every syntax node below this one, except what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if not is_for_type_checkers(child):
            yield child
            yield from executed(child)


def targets(node: ast.AST, by_name: dict[str, Module]) -> set[str]:
    """The modules of the product that one import statement reaches."""
    names = set(modules_named(node))
    if isinstance(node, ast.ImportFrom) and not node.level:
        inner = {f"{node.module}.{alias.name}" for alias in node.names} & by_name.keys()
        names = inner or names
    return names & by_name.keys()


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach one another (more than one node each), sorted."""
    reach = {node: reached(graph, node) for node in graph}
    groups = {
        tuple(sorted({node, *(other for other in reach[node] if node in reach.get(other, ()))}))
        for node in graph
    }
    return [list(group) for group in sorted(groups) if len(group) > 1]


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """Every node that can be reached from one."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        for node in graph.get(ahead.pop(), ()):
            if node not in seen:
                seen.add(node)
                ahead.append(node)
    return seen
